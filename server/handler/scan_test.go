package handler

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

func TestListsThatNoIndexServesTakeASlot(t *testing.T) {
	t.Parallel()
	now := time.Now()
	span := store.TimeRange{After: &now}
	tests := []struct {
		name string
		f    store.RunFilter
		want bool
	}{
		{"all", store.RunFilter{}, false},
		{"a pool", store.RunFilter{Pool: "p"}, false},
		{"created lately", store.RunFilter{Created: span}, false},
		{"a text", store.RunFilter{Text: "a"}, true},
		{"a text in a pool", store.RunFilter{Text: "a", Pool: "p"}, true},
		{"a tag", store.RunFilter{Tags: []string{"a"}}, true},
		{"a tag of a deployment", store.RunFilter{Tags: []string{"a"}, Deployment: "d"}, false},
		{"ended lately", store.RunFilter{Ended: span}, true},
		{"scheduled lately", store.RunFilter{Scheduled: span}, true},
		{"due first", store.RunFilter{Sort: store.EarliestDueFirst}, true},
		{"due first by name", store.RunFilter{Sort: store.EarliestDueFirst, NamePrefix: "a"}, false},
	}
	for _, test := range tests {
		if got := readsMany(test.f); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

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
