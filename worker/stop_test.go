package worker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

func TestAWorkerThatStopsLetsGoOfWhatHasEndedBeforeItsRuntimeEnds(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration
		done     bool
	}{
		"what takes a moment is waited for": {time.Hour, true},
		"but not for ever":                  {2 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t, newProtocol(t, shellTemplate), t.TempDir())
			o.tuning.stopPatience = c.patience
			if err := o.setDefaults(); err != nil {
				t.Fatal(err)
			}
			w, err := newWorker(o)
			if err != nil {
				t.Fatal(err)
			}
			claimed, goOn, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
			close(claimed)
			w.task(func() {
				defer close(released)
				<-goOn
			})
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				w.stop(context.WithoutCancel(t.Context()), claimed, func() {
					select {
					case <-released:
						if !c.done {
							t.Error("waited for what never comes")
						}
					default:
						if c.done {
							t.Error("the runtime was ended while a Job was let go of, whose output it reads")
						}
					}
				})
			}()
			if !c.done {
				<-stopped
			}
			close(goOn)
			<-stopped
			w.tasks.Wait()
		})
	}
}

func TestAnEndIsWaitedForUntilItIsRecorded(t *testing.T) {
	held := newTable(time.Now)
	a := held.add(api.Claim{AttemptID: uuid.New(), Epoch: 1, LeaseSeconds: 30}, time.Now())
	for _, step := range []struct {
		name   string
		change func()
		ending bool
	}{
		{"while it runs", func() { a.known.seen = &job.Observation{Phase: job.Running} }, false},
		{"once it has ended", func() { a.known.seen = &job.Observation{Phase: job.Ended} }, true},
		{"when the server has it", func() { a.said.over = true }, false},
	} {
		if held.update(a, step.change); held.ending() != step.ending {
			t.Errorf("%s: waited for is %v", step.name, held.ending())
		}
	}
}
