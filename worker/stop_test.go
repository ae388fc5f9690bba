package worker

import (
	"context"
	"testing"
	"time"
)

func TestAStoppingWorkerWaitsForItsTasksBeforeItEndsTheRuntime(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration
		done     bool
	}{
		"a task that takes a moment is waited for": {time.Hour, true},
		"a task that never ends is not":            {2 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t, newFakeServer(t, shellTemplate), t.TempDir())
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
							t.Error("waited for a task that never ends")
						}
					default:
						if c.done {
							t.Error("the runtime was ended while a task still ran")
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
