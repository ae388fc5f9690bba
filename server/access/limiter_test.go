package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/access"
)

func TestAKeyIsHeldToItsRate(t *testing.T) {
	now := time.Unix(0, 0)
	l := access.NewLimiter(10, func() time.Time { return now })
	let := func(key string, times float64) (n int) {
		for l.Take(key, times) == 0 {
			n++
		}
		return n
	}
	if got := let("a", 1); got != 20 {
		t.Errorf("%d at once, want two seconds' worth", got)
	}
	if got := let("b", 1); got != 20 {
		t.Errorf("another key was let through %d times", got)
	}
	if got := let("worker", 10); got != 200 {
		t.Errorf("one that may ten times as often was let through %d times", got)
	}
	if wait := l.Take("a", 1); wait != 100*time.Millisecond {
		t.Errorf("it is told to wait %s", wait)
	}
	now = now.Add(time.Second)
	if got := let("a", 1); got != 10 {
		t.Errorf("%d a second later, want 10: being refused must cost nothing", got)
	}
}

func TestNoLimitIsNone(t *testing.T) {
	l := access.NewLimiter(0, time.Now)
	for range 100_000 {
		if l.Take("a", 1) != 0 {
			t.Fatal("held up")
		}
	}
}

func TestManyKeysAreForgottenAgain(t *testing.T) {
	now := time.Unix(0, 0)
	l := access.NewLimiter(1, func() time.Time { return now })
	l.Take("busy", 1)
	l.Take("busy", 1)
	for i := range 9_999 {
		l.Take(fmt.Sprint(i), 1)
	}
	now = now.Add(500 * time.Millisecond) // not enough for any to be full again
	for i := range 20_000 {
		l.Take(fmt.Sprint("more", i), 1)
	}
	if l.Take("busy", 1) != 0 {
		t.Error("what is dropped begins anew")
	}
}
