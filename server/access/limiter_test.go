package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/access"
)

func TestLimiterLimitsEachKey(t *testing.T) {
	now := time.Unix(0, 0)
	l := access.NewLimiter(10, func() time.Time { return now })
	takeAll := func(key string, factor float64) (n int) {
		for l.Take(key, factor) == 0 {
			n++
		}
		return n
	}
	if got := takeAll("a", 1); got != 20 {
		t.Errorf("burst = %d, want two seconds' worth (20)", got)
	}
	if got := takeAll("b", 1); got != 20 {
		t.Errorf("burst of another key = %d, want 20", got)
	}
	if got := takeAll("worker", 10); got != 200 {
		t.Errorf("burst with factor 10 = %d, want 200", got)
	}
	if wait := l.Take("a", 1); wait != 100*time.Millisecond {
		t.Errorf("wait = %s, want 100ms", wait)
	}
	now = now.Add(time.Second)
	if got := takeAll("a", 1); got != 10 {
		t.Errorf("tokens after a second = %d, want 10: a refusal must not take a token", got)
	}
}

func TestRateOfZeroMeansNoLimit(t *testing.T) {
	l := access.NewLimiter(0, time.Now)
	for range 100_000 {
		if l.Take("a", 1) != 0 {
			t.Fatal("limited without a limit")
		}
	}
}

func TestFullTableIsCleared(t *testing.T) {
	now := time.Unix(0, 0)
	l := access.NewLimiter(1, func() time.Time { return now })
	l.Take("busy", 1)
	l.Take("busy", 1)
	for i := range 9_999 {
		l.Take(fmt.Sprint(i), 1)
	}
	now = now.Add(500 * time.Millisecond) // not enough to fill any bucket
	for i := range 20_000 {
		l.Take(fmt.Sprint("more", i), 1)
	}
	if l.Take("busy", 1) != 0 {
		t.Error("evicted key did not start with a full bucket")
	}
}
