package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnePoolLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(8, 4)
		ctx, cancel := context.WithTimeout(t.Context(), batchTime)
		defer cancel()
		for range 4 {
			if _, err := r.enter(ctx, "slow"); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		leave, err := r.enter(ctx, "other")
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("another pool waited %s: %v", time.Since(start), err)
		}
		leave()
		if _, err := r.enter(ctx, "slow"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != batchTime {
			t.Errorf("a fifth of the slow pool: %v after %s, want the end of the batch", err, time.Since(start))
		}
		// What was not decided leaves nothing behind.
		if leave, err = r.enter(t.Context(), "third"); err != nil {
			t.Error(err)
		}
		leave()
	})
}
