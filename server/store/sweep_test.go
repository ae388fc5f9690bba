package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func (w *world) sweep() {
	w.t.Helper()
	w.check(w.Sweep(w.t.Context()))
}

func TestARunPastItsStartDeadlineIsCancelled(t *testing.T) {
	deadline := func(d *store.Deployment) { d.StartDeadline = ptr(time.Hour) }
	tests := []struct {
		name   string
		before func(w *world)
		want   string
		end    string // of what is CANCELLING, once its worker has ended it
	}{
		{"of a run that nobody claimed", func(*world) {}, "CANCELLED Expired", ""},
		{
			"of a run that was claimed", func(w *world) { c := w.claimOne("w"); w.accepts(submitted(c)) },
			"CANCELLING Cancelling", "CANCELLED Expired",
		},
		{
			"of a run that has started", func(w *world) { w.accepts(running(w.claimOne("w"))) },
			"RUNNING Running", "",
		},
		{"of a run that has started and is pending again", func(w *world) {
			c := w.claimOne("w")
			w.accepts(running(c),
				store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "suspended"})
		}, "PENDING InfrastructurePending", ""},
		{
			"of a run that has ended", func(w *world) { w.accepts(succeeded(w.claimOne("w"))) },
			"COMPLETED Completed", "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				run := w.one(deadline)
				test.before(w)
				before := len(w.history(run.ID))
				w.Advance(30 * time.Minute) // the clock runs on as well: what comes between may take its time
				w.sweep()
				if n := len(w.history(run.ID)); n != before {
					t.Fatal("it was swept too early")
				}
				w.Advance(31 * time.Minute)
				w.sweep()
				w.sweep()
				w.isIn(run.ID, test.want)
				if test.end != "" {
					w.endCancelled(run)
					w.isIn(run.ID, test.end)
				}
			})
		})
	}
}

// endCancelled reports that the run's attempt was cancelled.
func (w *world) endCancelled(run *store.Run) {
	w.t.Helper()
	a := w.listAttempts(run.ID)
	last := a[len(a)-1]
	w.accepts(store.Report{
		Lease: store.Lease{
			AttemptID: last.ID, Epoch: last.Epoch,
		}, Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Category: lifecycle.CancelledEnd},
	})
}

func TestARunningRunPastItsTimeoutFails(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) { d.Timeout, d.Retries.Max = ptr(time.Minute), 3 })
		c := w.claimOne("w")
		w.Advance(time.Hour) // waiting to start does not count
		w.sweep()
		w.accepts(running(c))
		w.sweep()
		w.isIn(run.ID, "RUNNING Running")
		w.Advance(time.Minute + time.Second)
		w.sweep()
		w.isIn(run.ID, "CANCELLING Cancelling")
		w.endCancelled(run)
		if r := w.isIn(run.ID, "FAILED TimedOut"); r.Category != lifecycle.Deadline {
			t.Errorf("its category is %s", r.Category)
		}
		w.endCancelled(run) // the same report again
		a := w.listAttempts(run.ID)
		if a[0].Category != lifecycle.Deadline {
			t.Errorf("the attempt's category is %s", a[0].Category)
		}
	})
}

func TestTheTimeOfASuspendedJobDoesNotCountInTheTimeout(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) { d.Timeout = ptr(time.Minute) })
		c := w.claimOne("w")
		w.accepts(running(c))
		w.Advance(40 * time.Second)
		suspended := running(c)
		suspended.Kind, suspended.Diagnosis = store.ReportPending, "preempted by a queue"
		w.accepts(suspended)
		w.Advance(time.Hour)
		w.sweep()
		w.isIn(run.ID, "PENDING InfrastructurePending")
		if facts := w.situation(run.ID); !facts.Suspended || facts.TimeoutAt.Sub(facts.Now).Round(time.Second) != 20*time.Second {
			t.Errorf("while it is suspended it times out at %v, and it is %v", facts.TimeoutAt, facts.Now)
		}
		w.accepts(running(c))
		w.Advance(15 * time.Second)
		w.sweep()
		w.isIn(run.ID, "RUNNING Running")
		w.Advance(6 * time.Second)
		w.sweep()
		w.isIn(run.ID, "CANCELLING Cancelling")
	})
}

func TestAStartDeadlineThatPassesInAQueueNamesIt(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) { d.StartDeadline = ptr(time.Minute) })
		c := w.claimOne("w")
		waiting := running(c)
		waiting.Kind, waiting.Diagnosis = store.ReportPending, `waits in Kueue's LocalQueue "batch"`
		w.accepts(waiting)
		w.Advance(2 * time.Minute)
		w.sweep()
		w.endCancelled(run)
		const want = `the run did not start before its start deadline: waits in Kueue's LocalQueue "batch"`
		if r := w.isIn(run.ID, "CANCELLED Expired"); r.State.Message != want {
			t.Errorf("it says %q", r.State.Message)
		}
	})
}

func TestTheTimeoutOfARunIncludesItsRetries(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) {
			d.Timeout, d.Retries = ptr(time.Hour), lifecycle.RetryPolicy{Max: 3, Delay: 20 * time.Minute}
		})
		c := w.claimOne("w")
		if *c.TimeoutLeft != time.Hour {
			t.Errorf("at first %s are left", *c.TimeoutLeft)
		}
		w.accepts(running(c), failed(c, lifecycle.App))
		w.Advance(20 * time.Minute)
		second := w.claimOne("w")
		if left := *second.TimeoutLeft; left > 40*time.Minute || left < 39*time.Minute {
			t.Errorf("for the second attempt %s are left", left)
		}
		w.accepts(running(second), failed(second, lifecycle.App))
		w.isIn(run.ID, "SCHEDULED AwaitingRetry")
		w.Advance(time.Hour)
		w.sweep()
		if r := w.isIn(run.ID, "FAILED TimedOut"); r.Category != lifecycle.Deadline {
			t.Errorf("its category is %s", r.Category)
		}
		w.retryRun(run.ID, actor)
		w.sweep()
		w.isIn(run.ID, "SCHEDULED Scheduled")
		if left := *w.claimOne("w").TimeoutLeft; left != time.Hour {
			t.Errorf("after a retry by hand %s are left", left)
		}
	})
}

func TestASweepEndsManyRunsInBatches(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p", func(d *store.Deployment) { d.StartDeadline = ptr(time.Minute) })
		w.runs("d", 1200)
		w.Advance(time.Hour)
		var servers sync.WaitGroup
		for range 4 {
			servers.Go(func() {
				if err := w.Sweep(w.t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		servers.Wait()
		w.sweep() // what one skipped because another had it
		runs, _, err := w.ListRuns(w.t.Context(),
			store.RunFilter{States: []lifecycle.StateType{lifecycle.Cancelled}}, store.Page{Limit: 1})
		w.check(err)
		same(t, "history", w.history(runs[0].ID), []string{"SCHEDULED Scheduled", "CANCELLED Expired"})
		if n := len(w.claim(request("p", "w", 5000))); n != 0 {
			t.Errorf("%d runs are left", n)
		}
	})
}

func TestStatsCountRunsAndAttempts(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(2)) })
		w.deployment("d", "p")
		w.runs("d", 4)
		w.claim(request("p", "gone", 1))
		w.Advance(2 * time.Minute)
		w.accepts(succeeded(w.claim(request("p", "w", 1))[0])) // the takeover
		w.claim(request("p", "w", 1))
		st := w.getStats()
		if len(st.Live) != 1 || st.Live[0].Count != 1 || st.Live[0].State != lifecycle.Pending || st.Live[0].LeaseExpired {
			t.Errorf("live: %+v", st.Live)
		}
		if len(st.Lines) != 1 || st.Lines[0].DeploymentID != nil ||
			st.Now.Sub(st.Lines[0].FirstDue.Time()).Round(time.Minute) != 2*time.Minute {
			t.Errorf("lines: %+v", st.Lines)
		}
		if len(st.Workers) != 2 || len(st.Pools) != 1 || *st.Pools[0].Limit != 2 || len(st.Queues) != 1 ||
			len(st.Deployments) != 1 || st.Deployments[0].LastEnd != nil {
			t.Errorf("stats: %+v", st)
		}
		w.check(w.RollUpRuns(t.Context()))
		st = w.getStats()
		if d := st.Deployments[0]; d.LastState != lifecycle.Completed || d.LastCompletion == nil || d.Failures != 0 {
			t.Errorf("deployment: %+v", d)
		}
	})
}

func TestWaitingRunsAreCountedInSteps(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("a", "p")
		w.deployment("b", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		w.runs("a", 5)
		w.runs("b", 4)
		later := w.Now().Add(time.Hour)
		for range 2 {
			w.run("b", func(r *store.NewRun) { r.ScheduledTime = &later })
		}
		for _, step := range []int64{1, 2, 3, 100} {
			got := map[store.ReadyWait]int64{}
			place := &store.ReadyKey{}
			for steps := int64(1); place != nil; steps++ {
				counts, next, err := w.CountReady(t.Context(), *place, step)
				w.check(err)
				read := int64(0)
				for _, c := range counts {
					got[c.Wait] += c.Count
					read += c.Count
				}
				if read > step || steps > 12 {
					t.Fatalf("step %d of %d counts %d", steps, step, read)
				}
				place = next
			}
			if got[store.ReadyDue] != 9 || got[store.ReadyLater] != 2 {
				t.Errorf("by %d: %v", step, got)
			}
		}
		st := w.getStats()
		lines := 0
		for _, l := range st.Lines {
			if l.FirstDue != nil {
				lines++
			}
		}
		if lines != 2 {
			t.Errorf("lines: %+v", st.Lines)
		}
	})
}

// TestADeploymentsOutcomesAreCountedFromTheLastCompletion ends runs one after the other, some of them within one batch.
func TestADeploymentsOutcomesAreCountedFromTheLastCompletion(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		end := func(fails bool) {
			w.runs("d", 1)
			c := w.claim(request("p", "w", 1))[0]
			if fails {
				w.accepts(failed(c, lifecycle.App))
			} else {
				w.accepts(succeeded(c))
			}
			w.Advance(time.Second)
		}
		for _, step := range []struct {
			fails    []bool
			failures int64
			last     lifecycle.StateType
		}{
			{[]bool{true, true}, 2, lifecycle.Failed},
			{[]bool{true}, 3, lifecycle.Failed},
			{[]bool{false, true}, 1, lifecycle.Failed},
			{[]bool{true, false}, 0, lifecycle.Completed},
		} {
			for _, fails := range step.fails {
				end(fails)
			}
			w.check(w.RollUpRuns(t.Context()))
			d := w.getStats().Deployments[0]
			if d.Failures != step.failures || d.LastState != step.last {
				t.Errorf("after %v: %+v", step.fails, d)
			}
		}
	})
}

// TestALateCompletionTakesNoFailureBack: it was reported when a newer completion and a failure had been.
func TestALateCompletionTakesNoFailureBack(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 3)
		claims := w.claim(request("p", "w", 3))
		w.Advance(10 * time.Second)
		at := func(r store.Report, ago time.Duration) store.Report {
			when := w.Now().Add(-ago)
			r.At = &when
			return r
		}
		for _, report := range []store.Report{
			at(succeeded(claims[0]), 2*time.Second), at(failed(claims[1], lifecycle.App), time.Second), at(succeeded(claims[2]), 3*time.Second),
		} {
			w.accepts(report)
			w.check(w.RollUpRuns(t.Context()))
		}
		d := w.getStats().Deployments[0]
		if since := w.Now().Sub(d.LastCompletion.Time()); d.Failures != 1 || since > 2900*time.Millisecond {
			t.Errorf("%d failures, the last completion was %s ago", d.Failures, since)
		}
	})
}

func TestAWorkerIsStoredWhenItRegisters(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		hello := store.Worker{
			Name: "w", Pool: "p", Type: "kubernetes", ClusterID: "c", Version: "1",
			Namespaces: []string{"a", "b"},
		}
		session := storetest.SessionOf("p", "w").ID
		w.check(w.UpsertWorker(ctx, hello, session))
		hello.Version = "2"
		w.check(w.UpsertWorker(ctx, hello, session))
		w.check(w.UpsertWorker(ctx, store.Worker{Name: "w", Pool: "q"}, uuid.New()))
		w.one()
		c := w.claimOne("w")
		workers := w.listWorkers("p")
		if len(workers) != 1 || workers[0].Version != "2" || len(workers[0].Namespaces) != 2 ||
			workers[0].ActiveAttempts != 1 ||
			workers[0].Type != "kubernetes" {
			t.Errorf("workers are %+v", workers)
		}
		if all := w.listWorkers(""); len(all) != 2 {
			t.Errorf("all workers are %+v", all)
		}
		w.Advance(8 * 24 * time.Hour)
		w.sweep()
		if all := w.listWorkers(""); len(all) != 1 || all[0].Pool != "p" {
			t.Errorf("with an attempt under way, after a week of silence: %+v", all)
		}
		w.accepts(succeeded(c))
		w.sweep()
		if all := w.listWorkers(""); len(all) != 0 {
			t.Errorf("after a week of silence: %+v", all)
		}
	})
}
