package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestReportsTakeARunFromItsClaimToItsEnd(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		w.accepts(manifest(c))
		w.isIn(run.ID, "PENDING Submitting")
		w.accepts(submitted(c))
		w.accepts(store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "no node has 64Gi"})
		if r := w.isIn(run.ID, "PENDING InfrastructurePending"); r.State.Message != "no node has 64Gi" ||
			r.StartedAt != nil {
			t.Errorf("while it waits: %+v", r)
		}
		w.accepts(running(c))
		if r := w.isIn(run.ID, "RUNNING Running"); r.StartedAt == nil {
			t.Error("it has not started")
		}
		end := ended(c,
			lifecycle.Outcome{Category: lifecycle.App, ExitCode: ptr(int32(3)), Message: "exit 3"})
		end.LastLines = "line\x00 one\xff"
		w.accepts(end)
		if r := w.isIn(run.ID, "FAILED Failed"); r.ExitCode == nil || *r.ExitCode != 3 ||
			r.Category != lifecycle.App ||
			r.Attempt != 1 {
			t.Errorf("ended as %+v", r)
		}
		a := w.listAttempts(run.ID)[0]
		if a.Phase != store.PhaseEnded || a.JobUID != submitted(c).JobUID || a.JobNamespace != "jobs" || a.Node != "node-1" || *a.ExitCode != 3 ||
			a.Message != "exit 3: line\uFFFD one\uFFFD" || a.LastLines != "line\uFFFD one\uFFFD" || a.SubmittedAt == nil ||
			a.RunningAt == nil ||
			a.EndedAt == nil {
			t.Errorf("the attempt is %+v", a)
		}
		same(t, "history", w.history(run.ID), []string{
			"SCHEDULED Scheduled", "PENDING Claimed", "PENDING Submitting", "PENDING InfrastructurePending",
			"PENDING InfrastructurePending", "RUNNING Running", "FAILED Failed",
		})
		if got := w.getManifest(run.ID, 1); string(got) != `{"kind": "Job"}` {
			t.Errorf("the manifest is %s", got)
		}
		if n := w.used("p"); n != 0 {
			t.Errorf("%d slots are used", n)
		}
	})
}

func TestRepeatedReportsAreAnsweredTheSameAndChangeNothing(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		all := []store.Report{manifest(c), submitted(c), running(c), succeeded(c)}
		w.accepts(all...)
		before := w.history(run.ID)
		ended := w.isIn(run.ID, "COMPLETED Completed").EndedAt
		w.Advance(time.Minute)
		w.accepts(all...)
		w.accepts(all[3], all[2], all[1], all[0])
		same(t, "history", w.history(run.ID), before)
		if again := w.isIn(run.ID, "COMPLETED Completed").EndedAt; !again.Equal(*ended) {
			t.Errorf("ended at %s, then at %s", ended, again)
		}
		same(t, "another end", w.says(failed(c, lifecycle.App)),
			[]store.ReportStatus{store.ReportAlreadyEnded})
	})
}

func TestReportsOfAnUnknownOrLostAttemptAreRefused(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		w.accepts(manifest(c), submitted(c))
		stale, second, bad, unknown := running(c), submitted(c), running(c), running(c)
		stale.Epoch = 7
		second.JobUID = "second"
		bad.Kind = "sideways"
		unknown.AttemptID = uuid.New()
		same(t, "answers", w.says(unknown, stale, second, bad, running(c)), []store.ReportStatus{
			store.ReportUnknown, store.ReportStale, store.ReportDuplicateJob, store.ReportInvalid, store.ReportAccepted,
		})
	})
}

func TestAFailedAttemptIsRetriedWithinItsBudget(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) {
			d.Retries = lifecycle.RetryPolicy{Max: 1, Delay: time.Minute, InfrastructureMax: 1}
		})
		c := w.claimOne("w")
		w.accepts(running(c), failed(c, lifecycle.App))
		r := w.isIn(run.ID, "SCHEDULED AwaitingRetry")
		if wait := r.DueAt.Sub(r.State.At); wait != time.Minute {
			t.Errorf("due after %s", wait)
		}
		if n := w.used("p"); n != 0 {
			t.Errorf("while it waits %d slots are used", n)
		}
		if claims := w.claim(request("p", "w", 10)); len(claims) != 0 {
			t.Fatal("claimed before its delay is over")
		}
		w.Advance(time.Minute)
		second := w.claimOne("w")
		if second.Attempt != 2 || second.AttemptID == c.AttemptID || second.Manifest != nil ||
			second.JobUID != "" ||
			second.Takeover {
			t.Errorf("the second attempt is %+v", second)
		}
		same(t, "a late word of the first attempt", w.says(failed(c, lifecycle.Evicted)),
			[]store.ReportStatus{store.ReportAlreadyEnded})
		w.accepts(running(second), failed(second, lifecycle.Evicted))
		w.isIn(run.ID, "SCHEDULED AwaitingRetry")
		w.Advance(time.Hour)
		third := w.claimOne("w")
		w.accepts(running(third), failed(third, lifecycle.App))
		w.isIn(run.ID, "FAILED Failed")
	})
}

func TestARunKeepsTheRetryPolicyOfItsCreation(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		w.deployment("d", "p", func(d *store.Deployment) { d.Retries.Max = 5 })
		c := w.claimOne("w")
		w.accepts(failed(c, lifecycle.App))
		w.isIn(run.ID, "FAILED Failed")
	})
}

func TestAnAttemptHandedBackIsClaimedAgainUnderTheSameNumber(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("stopping")
		w.accepts(manifest(c))
		back := store.Report{Lease: leaseOf(c), Kind: store.ReportHandedBack}
		w.accepts(back, back)
		if r := w.isIn(run.ID, "SCHEDULED Scheduled"); r.Attempt != 0 {
			t.Errorf("the run is at attempt %d", r.Attempt)
		}
		if n := w.used("p"); n != 0 {
			t.Errorf("%d slots are used", n)
		}
		if n := len(w.listAttempts(run.ID)); n != 0 {
			t.Errorf("the run has %d attempts", n)
		}
		again := w.claimOne("next")
		if again.Attempt != 1 || again.Epoch != 2 || again.Manifest != nil || again.Takeover {
			t.Errorf("claimed again as %+v", again)
		}
		same(t, "handed back once more by the first", w.says(back), []store.ReportStatus{store.ReportStale})
		w.accepts(manifest(again), submitted(again), succeeded(again))
		w.isIn(run.ID, "COMPLETED Completed")
	})
}

// An attempt whose Job belongs into a namespace of another worker waits for that one. Without any such worker it ends.
func TestAnAttemptHandedBackForItsNamespaceEndsOnlyIfNoWorkerServesThat(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		worker := store.Worker{Pool: "p", Type: "kubernetes", ClusterID: "c"}
		here, there := worker, worker
		here.Name, here.Namespaces = "here", []string{"here"}
		there.Name, there.Namespaces = "there", []string{"there"}
		back := func(c store.Claim, namespace string) store.Report {
			for _, known := range []store.Worker{here, there} {
				w.check(w.UpsertWorker(t.Context(), known, uuid.New()))
			}
			return store.Report{
				Lease: leaseOf(c), Kind: store.ReportHandedBack, JobNamespace: namespace, Diagnosis: "not served here",
			}
		}
		c := w.claimOne("here")
		w.accepts(manifest(c), back(c, "there"))
		if r := w.isIn(run.ID, "SCHEDULED Scheduled"); !strings.Contains(r.State.Message, "not served here") {
			t.Errorf("the run waits with %q", r.State.Message)
		}
		c = w.claimOne("here")
		w.accepts(manifest(c), back(c, "nowhere"), back(c, "nowhere"))
		r := w.isIn(run.ID, "CRASHED Crashed")
		if r.Category != lifecycle.Invalid || !strings.Contains(r.State.Message, "no worker of the pool can run it: not served here") {
			t.Errorf("the run ended as %s with %q", r.Category, r.State.Message)
		}
	})
}

func TestOneBatchReportsManyRuns(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 300)
		claims := w.claim(request("p", "w", 300))
		var reports []store.Report
		for _, c := range claims {
			reports = append(reports, manifest(c), submitted(c), running(c))
		}
		for _, c := range claims {
			reports = append(reports, succeeded(c))
		}
		w.accepts(reports...)
		runs, _, err := w.ListRuns(w.t.Context(),
			store.RunFilter{States: []lifecycle.StateType{lifecycle.Completed}}, store.Page{Limit: 500})
		w.check(err)
		if len(runs) != 300 {
			t.Errorf("%d runs are completed", len(runs))
		}
	})
}

// TestConcurrentEqualReportsChangeTheRunOnce: several servers take the same reports at once, in different
// orders.
func TestConcurrentEqualReportsChangeTheRunOnce(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 20)
		claims := w.claim(request("p", "w", 20))
		var callers sync.WaitGroup
		for i := range 6 {
			callers.Go(func() {
				var reports []store.Report
				for j := range claims {
					c := claims[j]
					if i%2 == 1 {
						c = claims[len(claims)-1-j]
					}
					reports = append(reports, manifest(c), submitted(c), running(c), succeeded(c))
				}
				results, err := w.Report(w.t.Context(), "w", reports)
				if err != nil {
					t.Error(err)
				}
				for _, r := range results {
					if r.Status != store.ReportAccepted {
						t.Errorf("answered %+v", r)
					}
				}
				if _, _, err := w.renew("w", leaseOf(claims[i]), leaseOf(claims[0])); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		for _, c := range claims {
			same(t, "history", w.history(c.RunID), []string{
				"SCHEDULED Scheduled", "PENDING Claimed", "PENDING Submitting", "PENDING InfrastructurePending", "RUNNING Running", "COMPLETED Completed",
			})
		}
	})
}

func TestACancelledRunEndsByItsStage(t *testing.T) {
	tests := []struct {
		name      string
		before    func(w *world) []store.Report // what has happened to the run
		want      string
		end       lifecycle.Outcome
		wantAfter string
	}{
		{"before it was claimed", nil, "CANCELLED Cancelled", lifecycle.Outcome{}, ""},
		{
			"when it was claimed", func(w *world) []store.Report { w.claimOne("w"); return nil },
			"CANCELLING Cancelling", lifecycle.Outcome{Category: lifecycle.CancelledEnd},
			"CANCELLED Cancelled",
		},
		{"when it runs", func(w *world) []store.Report {
			c := w.claimOne("w")
			return []store.Report{manifest(c), submitted(c), running(c)}
		}, "CANCELLING Cancelling", lifecycle.Outcome{Category: lifecycle.CancelledEnd}, "CANCELLED Cancelled"},
		{
			"when the job is faster",
			func(w *world) []store.Report { c := w.claimOne("w"); return []store.Report{running(c)} },
			"CANCELLING Cancelling", lifecycle.Outcome{Succeeded: true}, "COMPLETED Completed",
		},
		{
			"when the job fails faster",
			func(w *world) []store.Report { c := w.claimOne("w"); return []store.Report{running(c)} },
			"CANCELLING Cancelling", lifecycle.Outcome{Category: lifecycle.App}, "FAILED Failed",
		},
		{
			"when it is evicted meanwhile",
			func(w *world) []store.Report { c := w.claimOne("w"); return []store.Report{running(c)} },
			"CANCELLING Cancelling", lifecycle.Outcome{Category: lifecycle.Evicted}, "CANCELLED Cancelled",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				run := w.one(
					func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 3, InfrastructureMax: 3} })
				if test.before != nil {
					w.accepts(test.before(w)...)
				}
				for range 2 { // a second cancel changes nothing
					w.cancelRun(run.ID, actor)
					w.isIn(run.ID, test.want)
				}
				if test.wantAfter == "" {
					return
				}
				a := w.listAttempts(run.ID)[0]
				held := store.Lease{AttemptID: a.ID, Epoch: a.Epoch}
				told, newest := w.listCancels("w", nil)
				same(t, "cancels", told, []uuid.UUID{a.ID})
				if again, _ := w.listCancels("w", newest); len(again) != 0 {
					t.Errorf("what the worker knows is told again: %v", again)
				}
				if others, _ := w.listCancels("other", nil); len(others) != 0 {
					t.Errorf("another worker is told: %v", others)
				}
				_, cancels, err := w.renew("w", held)
				w.check(err)
				same(t, "cancels of a renewal", cancels, []uuid.UUID{a.ID})
				w.accepts(
					store.Report{Lease: held, Kind: store.ReportRunning}) // does not take it out of CANCELLING
				w.isIn(run.ID, "CANCELLING Cancelling")
				w.accepts(store.Report{Lease: held, Kind: store.ReportEnded, Outcome: test.end})
				w.isIn(run.ID, test.wantAfter)
				if left, _ := w.listCancels("w", nil); len(left) != 0 {
					t.Errorf("it is still to be cancelled: %v", left)
				}
			})
		})
	}
}

func TestCancellingAnEndedOrUnknownRunFails(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		w.accepts(succeeded(w.claimOne("w")))
		_, err := w.CancelRun(w.t.Context(), run.ID, actor)
		w.refuses(err, store.RunFinished)
		_, err = w.CancelRun(w.t.Context(), uuid.New(), actor)
		w.refuses(err, store.NotFound)
	})
}

// TestACancelConcurrentWithClaimAndEndLeavesOneOutcome: whoever is first, the run ends in one way and its
// slot is free.
func TestACancelConcurrentWithClaimAndEndLeavesOneOutcome(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		for i := range 15 {
			run := w.run("d")
			var racers sync.WaitGroup
			racers.Go(func() {
				if _, err := w.CancelRun(ctx, run.ID, actor); err != nil &&
					!store.IsCode(err, store.RunFinished) {
					t.Errorf("cancel: %v", err)
				}
			})
			racers.Go(func() {
				claims, err := w.Claim(ctx, request("p", "w", 1))
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				for _, c := range claims {
					if i%2 == 0 {
						continue
					}
					if _, err := w.Report(ctx, "w", []store.Report{succeeded(c)}); err != nil {
						t.Errorf("report: %v", err)
					}
				}
			})
			racers.Wait()
			r := w.getRun(run.ID)
			if r.State.Type == lifecycle.Cancelling {
				a := w.listAttempts(run.ID)[0]
				w.accepts(
					store.Report{
						Lease: store.Lease{AttemptID: a.ID, Epoch: a.Epoch}, Kind: store.ReportEnded,
						Outcome: lifecycle.Outcome{Category: lifecycle.CancelledEnd},
					},
				)
			}
			if r = w.getRun(run.ID); !r.State.Type.Terminal() {
				t.Fatalf("the run is %s: %s", r.State.Type, fmt.Sprint(w.history(run.ID)))
			}
		}
		if n := w.used("p"); n != 0 {
			t.Errorf("%d slots are used", n)
		}
	})
}

func TestRetryingAnEndedRunSchedulesItAgain(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		run := w.one(func(d *store.Deployment) { d.Retries.Max = 1 })
		_, err := w.RetryRun(ctx, run.ID, actor)
		w.refuses(err, store.RunNotFinished)
		for range 2 {
			w.accepts(failed(w.claimOne("w"), lifecycle.App))
		}
		w.isIn(run.ID, "FAILED Failed")
		w.retryRun(run.ID, actor)
		if r := w.isIn(run.ID, "SCHEDULED Scheduled"); r.ExitCode != nil || r.Category != "" ||
			r.Attempt != 2 {
			t.Errorf("retried as %+v", r)
		}
		third := w.claimOne("w")
		if third.Attempt != 3 {
			t.Errorf("the next attempt is %d", third.Attempt)
		}
		w.accepts(failed(third, lifecycle.App)) // its budget is fresh
		w.isIn(run.ID, "SCHEDULED AwaitingRetry")
		_, err = w.RetryRun(ctx, uuid.New(), actor)
		w.refuses(err, store.NotFound)
	})
}

func TestARetriedRunFollowsItsDeploymentToAnotherPool(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		run := w.one()
		w.pool("elsewhere")
		_, _, err := w.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "elsewhere"}, actor)
		w.refuses(err, store.DeploymentHasLiveRuns)
		w.accepts(failed(w.claimOne("w"), lifecycle.App))
		w.deployment("d", "elsewhere")
		if r := w.retryRun(run.ID, actor); r.Pool != "elsewhere" {
			t.Errorf("retried in pool %s", r.Pool)
		}
		if claims := w.claim(request("elsewhere", "w", 1)); len(claims) != 1 {
			t.Errorf("claimed %d", len(claims))
		}
	})
}

func TestTheManifestComesWithTheFirstReportWhateverThatSays(t *testing.T) {
	pending := func(c store.Claim) store.Report {
		return store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "exceeded quota"}
	}
	for name, first := range map[string]func(store.Claim) store.Report{
		"submitted": submitted, "pending": pending, "running": running, "ended": succeeded,
	} {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				run := w.one()
				c := w.claimOne("w")
				r := first(c)
				r.Manifest, r.Timeout = json.RawMessage(`{"kind": "Job"}`), ptr(time.Hour)
				w.accepts(r, r)
				another := running(c)
				another.Manifest = json.RawMessage(`{"kind": "Pod"}`)
				w.accepts(another, succeeded(c))
				if got := w.getManifest(run.ID, 1); string(got) != `{"kind": "Job"}` {
					w.t.Errorf("the manifest is %s", got)
				}
			})
		})
	}
}

func TestTheTimeoutOfATemplateCountsFromAStartThatCameWithTheManifest(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		r := running(c)
		r.Manifest, r.Timeout = json.RawMessage(`{"kind": "Job"}`), ptr(time.Minute)
		w.accepts(r)
		w.Advance(2 * time.Minute)
		w.check(w.Sweep(w.t.Context()))
		w.isIn(run.ID, "CANCELLING Cancelling")
	})
}

func TestTheManifestIsWantedFirstWhereWorkersServeDifferentNamespaces(t *testing.T) {
	onEach(t, func(w *world) {
		w.one()
		w.run("d")
		serve := func(name, cluster string, namespaces ...string) {
			worker := store.Worker{Name: name, Pool: "p", ClusterID: cluster, Namespaces: namespaces}
			w.check(w.UpsertWorker(w.t.Context(), worker, storetest.SessionOf("p", name).ID))
		}
		serve("a", "c", "x")
		serve("b", "c", "x")
		serve("elsewhere", "another", "y")
		if c := w.claim(request("p", "a", 1))[0]; c.ManifestFirst {
			w.t.Error("it is wanted first although all workers of the cluster serve the same namespaces")
		}
		serve("b", "c", "x", "y")
		if c := w.claim(request("p", "a", 1))[0]; !c.ManifestFirst {
			w.t.Error("it is not wanted first although another worker serves another namespace")
		}
	})
}
