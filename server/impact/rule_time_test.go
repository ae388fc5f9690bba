package impact

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating/rule"
)

func TestARuleTestWaitsForOthersAndThenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		var ended []func()
		for range parallelTests {
			done, err := a.startTest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ended = append(ended, done)
		}
		start := time.Now()
		_, err := a.startTest(t.Context())
		var busy *problem.Error
		if !errors.As(err, &busy) || busy.Code != problem.RateLimited || busy.RetryAfter == 0 ||
			time.Since(start) != testWait {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.startTest(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that has left still waits: %v", err)
		}
		time.AfterFunc(time.Second, ended[0])
		done, err := a.startTest(t.Context())
		if err != nil {
			t.Errorf("a test has ended, and the next does not begin: %v", err)
		}
		done()
	})
}

func TestARuleTestMakesNoMoreJobsOnceItsTimeIsOver(t *testing.T) {
	trial := &ruleTrial{until: time.Now().Add(-time.Second)}
	if got := trial.exhausted(); !strings.Contains(got, "a test ends after 5s") {
		t.Errorf("got %q", got)
	}
	trial = &ruleTrial{until: time.Now().Add(time.Hour), cost: testCost + 1}
	if got := trial.exhausted(); !strings.Contains(got, "costs too much") {
		t.Errorf("got %q", got)
	}
	result, err := trial.evaluate(t.Context(), rule.Input{})
	if err != nil || result.Message == nil {
		t.Errorf("got %+v, %v", result, err)
	}
}
