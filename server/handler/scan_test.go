package handler

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

func TestWhoWaitsForASlotIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s := newScans(1)
	leave, err := s.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.enter(ctx); err != context.Canceled {
		t.Errorf("a client that is gone: %v", err)
	}
	_, err = s.enterWithin(t.Context(), time.Nanosecond)
	if !store.IsCode(err, store.QueryTimeout) || !strings.Contains(err.Error(), "read many runs") {
		t.Errorf("a client that waited too long: %v", err)
	}
	leave()
	if leave, err = s.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
}
