package retry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-dev/berth/worker/client"
)

// contact counts what it is told.
type contact struct{ reached, away int }

func (c *contact) Reached()   { c.reached++ }
func (c *contact) Away(error) { c.away++ }

// newLoop returns a loop whose calls fail with these errors, one after the other, and then succeed.
func newLoop(failures ...error) (*Loop, *contact) {
	told := &contact{}
	l := &Loop{
		Calls: Calls{
			Backoff: Backoff{Min: time.Second, Max: 4 * time.Second},
			Name:    "test",
			Contact: told,
			Log:     slog.New(slog.DiscardHandler),
		},
		Beat:  func() {},
		Every: time.Hour,
	}
	l.Send = func(context.Context) (bool, error) {
		if len(failures) == 0 {
			return false, nil
		}
		err := failures[0]
		failures = failures[1:]
		return err == nil, err
	}
	return l, told
}

// run runs the loop until all failures are consumed and the loop waits for more.
func run(t *testing.T, l *Loop) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	began := time.Now()
	var took time.Duration
	send := l.Send
	l.Send = func(ctx context.Context) (bool, error) {
		took = time.Since(began)
		return send(ctx)
	}
	go func() { done <- l.Run(ctx) }()
	time.Sleep(30 * time.Minute)
	synctest.Wait()
	cancel()
	return took, <-done
}

func TestALoopWaitsLongerAfterEachFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("connection refused")
		l, told := newLoop(away, away, away, away)
		took, err := run(t, l)
		// Each wait is between half and all of 1, 2, 4 and 4 seconds.
		if err != nil || took < 5500*time.Millisecond || took > 11*time.Second || told.away != 4 {
			t.Errorf("ended with %v, last call after %s, away %d times", err, took, told.away)
		}
		if l.Failures() != 0 {
			t.Errorf("%d failures are counted after a success", l.Failures())
		}
	})
}

func TestALoopWaitsAsLongAsTheServerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := &client.Error{
			Status: http.StatusTooManyRequests, Code: "rate-limited", RetryAfter: 7 * time.Second,
		}
		l, _ := newLoop(busy)
		if took, err := run(t, l); err != nil || took < 7*time.Second {
			t.Errorf("ended with %v, called again after %s", err, took)
		}
	})
}

func TestALoopEndsWhenTheKeyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLoop(&client.Error{Status: http.StatusUnauthorized, Code: "unauthenticated"})
		if _, err := run(t, l); err == nil || !strings.Contains(err.Error(), "API key") {
			t.Errorf("ended with %v, want an error about the API key", err)
		}
	})
}

func TestALoopSendsAgainAtOnceWhileMoreIsDueAndWhenItIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, told := newLoop(nil, nil)
		wake := make(chan struct{}, 1)
		l.Wake = wake
		calls := 0
		send := l.Send
		l.Send = func(ctx context.Context) (bool, error) { calls++; return send(ctx) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		if calls != 3 || told.reached != 2 {
			t.Errorf("%d calls, %d of which were more: want 3 and 2", calls, told.reached)
		}
		wake <- struct{}{}
		synctest.Wait()
		if calls != 4 {
			t.Errorf("%d calls after a wake, want 4", calls)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestABackoffThatIsStoppedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := Backoff{Min: time.Hour, Max: time.Hour}
	if b.Wait(ctx, 0) {
		t.Error("Wait returned true after its context had ended")
	}
}
