package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestAReleasedLeaseIsTakenOverAtOnce(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("first")
		w.accepts(manifest(c), submitted(c), running(c))
		hints := w.Subscribe(store.PoolTopic("p"))
		defer hints.Close()
		w.check(
			w.ReleaseLeases(
				w.t.Context(),
				"first",
				[]store.Lease{
					{AttemptID: c.AttemptID, Epoch: c.Epoch + 1}, {AttemptID: uuid.New(), Epoch: 1},
				},
			),
		)
		if claims := w.claim(request("p", "second", 10)); len(claims) != 0 {
			t.Fatal("a release under another epoch counted")
		}
		w.check(w.ReleaseLeases(w.t.Context(), "first", []store.Lease{leaseOf(c)}))
		select {
		case <-hints.C():
		case <-w.t.Context().Done():
		}
		taken := w.claimOne("second")
		if taken.AttemptID != c.AttemptID || taken.Epoch != 2 || !taken.Takeover ||
			taken.JobUID != submitted(c).JobUID {
			t.Errorf("took over %+v", taken)
		}
		w.check(
			w.ReleaseLeases(w.t.Context(), "first", []store.Lease{leaseOf(c)})) // late: it is not his any more
		if claims := w.claim(request("p", "third", 10)); len(claims) != 0 {
			t.Fatal("a late release took the attempt from its new holder")
		}
		w.accepts(succeeded(taken))
		w.check(
			w.ReleaseLeases(w.t.Context(), "second", []store.Lease{leaseOf(taken)})) // ended: nothing to release
		w.isIn(run.ID, "COMPLETED Completed")
	})
}

func TestAWorkerOfADeletedPoolEndsItsHeldAttempts(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		w.accepts(manifest(c), submitted(c), running(c))
		w.check(w.DeletePool(w.t.Context(), "p", store.DeleteOptions{Force: true}, actor))
		kind, err := w.GetPoolTypeForWorker(w.t.Context(), "p")
		w.check(err)
		if kind != "kubernetes" {
			t.Errorf("the pool's type is %q", kind)
		}
		if claims := w.claim(request("p", "w", 10)); len(claims) != 0 {
			t.Fatal("claimed what is held")
		}
		w.Advance(leaseTime + time.Second)
		claims := w.claim(restarted(request("p", "w", 10)))
		if len(claims) != 1 || !claims[0].Takeover || !claims[0].Cancelling || claims[0].RunID != run.ID {
			t.Fatalf("claimed %+v", claims)
		}
		again := claims[0]
		w.accepts(failed(again, lifecycle.CancelledEnd))
		_, err = w.GetPoolTypeForWorker(w.t.Context(), "p")
		w.refuses(err, store.NotFound)
		_, err = w.Claim(w.t.Context(), request("p", "w", 10))
		w.refuses(err, store.NotFound)
	})
}

func TestAReportReturnsItsChangeOnce(t *testing.T) {
	onEachLayout(t, func(w *world) {
		due := w.Now().Add(-time.Minute)
		w.pool("p")
		w.deployment("d", "p")
		w.run("d", func(n *store.NewRun) { n.ScheduledTime = &due })
		c := w.claimOne("w")
		say := func(r store.Report) *store.AttemptChange {
			t.Helper()
			results := w.reportAll("w", []store.Report{r, r})
			if results[0].Status != store.ReportAccepted || results[1].Status != store.ReportAccepted {
				t.Fatalf("answered %+v", results)
			}
			if results[1].Change != nil {
				t.Errorf("report %s repeated changed %+v", r.Kind, results[1].Change)
			}
			again := w.reportAll("w", []store.Report{r})
			if again[0].Change != nil {
				t.Errorf("report %s sent again changed %+v", r.Kind, again[0].Change)
			}
			return results[0].Change
		}
		say(manifest(c))
		if got := say(submitted(c)); got.Dispatched == nil || *got.Dispatched < time.Minute ||
			got.Started != nil ||
			got.Pool != "p" {
			t.Errorf("submitted changed %+v", got)
		}
		w.Advance(5 * time.Second)
		if got := say(running(c)); got.Started == nil || *got.Started < 5*time.Second ||
			got.Dispatched != nil ||
			got.Run != lifecycle.Running {
			t.Errorf("running changed %+v", got)
		}
		w.Advance(7 * time.Second)
		end := succeeded(c)
		end.At = ptr(w.Now().Add(-2 * time.Second))
		if got := say(end); got.Ran == nil || *got.Ran < 4*time.Second || got.Recorded == nil ||
			*got.Recorded < time.Second ||
			got.Outcome == nil ||
			!got.Outcome.Succeeded ||
			got.Run != lifecycle.Completed {
			t.Errorf("ended changed %+v", got)
		}
	})
}

func TestARepeatedTakeoverIsMarkedAsRepeated(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		w.claimOne("first")
		w.Advance(leaseTime + time.Second)
		r := request("p", "second", 10)
		first, second := w.claim(r), w.claim(r)
		if len(first) != 1 || len(second) != 1 || !first[0].Takeover || !second[0].Takeover ||
			first[0].Repeated ||
			!second[0].Repeated {
			t.Errorf("claimed %+v, then %+v", first, second)
		}
	})
}

func TestThePoolsOfAttemptsAreThePoolsOfTheirRuns(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		w.pool("q")
		w.deployment("e", "q")
		w.run("e")
		c := w.claimOne("w")
		other := w.claim(request("q", "w", 1))[0]
		got := w.listPoolsOfAttempts([]uuid.UUID{c.AttemptID, uuid.New()})
		same(t, "pools", got, []string{"p"})
		w.check(w.DeletePool(w.t.Context(), "q", store.DeleteOptions{Force: true}, actor))
		got = w.listPoolsOfAttempts([]uuid.UUID{other.AttemptID})
		same(t, "pools", got, []string{"q"})
	})
}

func TestTheLimitsOfTheTemplateApplyIfTheDeploymentHasNone(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*store.Deployment)
		state  string
	}{
		"nothing set":               {func(*store.Deployment) {}, "SCHEDULED AwaitingRetry"},
		"no infrastructure retries": {func(d *store.Deployment) { d.Retries.InfrastructureSet = true }, "CRASHED Crashed"},
		"a timeout of its own":      {func(d *store.Deployment) { d.Timeout = ptr(time.Hour) }, "SCHEDULED AwaitingRetry"},
		"retries for the app alone": {func(d *store.Deployment) { d.Retries.Max = 1 }, "SCHEDULED AwaitingRetry"},
	} {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				run := w.one(test.change)
				c := w.claimOne("w")
				m := manifest(c)
				m.Timeout, m.InfrastructureMax = ptr(time.Minute), ptr(1)
				w.accepts(m, submitted(c), running(c))
				w.accepts(failed(c, lifecycle.NodeLost))
				w.isIn(run.ID, test.state)
			})
		})
	}
}

func TestTheTimeoutOfTheTemplateAppliesIfTheDeploymentHasNone(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.deployment("own", "p", func(d *store.Deployment) { d.Timeout = ptr(time.Hour) })
		limited, own := w.run("d"), w.run("own")
		for _, c := range w.claim(request("p", "w", 2)) {
			m := manifest(c)
			m.Timeout = ptr(time.Minute)
			w.accepts(m, submitted(c), running(c))
		}
		w.Advance(2 * time.Minute)
		w.check(w.Sweep(w.t.Context()))
		w.isIn(limited.ID, "CANCELLING Cancelling")
		w.isIn(own.ID, "RUNNING Running")
	})
}

func TestARunValidatedAgainstAnotherRevisionIsNotCreated(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		before := w.deployment("d", "p")
		create := func(d *store.Deployment) error {
			_, _, err := w.CreateRun(ctx, store.NewRun{Deployment: "d", Revision: d.Revision}, actor)
			return err
		}
		same := w.deployment("d", "p", func(d *store.Deployment) { d.Description = "not for its runs" })
		if same.Revision != before.Revision {
			t.Error("a description created a revision")
		}
		frozen := w.deployment("d", "p", func(d *store.Deployment) { d.FrozenVariables = []string{"image"} })
		w.refuses(create(before), store.RevisionChanged)
		moved := w.deployment("d", "q", func(d *store.Deployment) { d.FrozenVariables = []string{"image"} })
		w.refuses(create(frozen), store.RevisionChanged)
		w.check(create(moved))
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{Force: true}, actor))
		w.refuses(create(moved), store.NotFound)
	})
}

func TestARunIsFoundByItsIdempotencyKey(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		d := w.deployment("d", "p")
		of := func(key, hash string) (*store.Run, error) { return w.FindRunByIdempotencyKey(ctx, d, key, hash) }
		for _, key := range []string{"", "k"} {
			if run := must[*store.Run](w.t)(of(key, "h")); run != nil {
				t.Errorf("key %q gave run %s", key, run.ID)
			}
		}
		first := w.run("d", func(n *store.NewRun) { n.IdempotencyKey, n.BodyHash = "k", "h" })
		if run := must[*store.Run](w.t)(of("k", "h")); run == nil || run.ID != first.ID {
			t.Errorf("the key gave %+v", run)
		}
		_, err := of("k", "another")
		w.refuses(err, store.IdempotencyMismatch)
	})
}

func TestARunWhoseClusterIsGoneIsAbandoned(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one(func(d *store.Deployment) { d.Retries.InfrastructureMax = 1 })
		_, err := w.AbandonRun(w.t.Context(), run.ID, "bob")
		w.refuses(err, store.Conflict) // it has no active attempt
		_, err = w.AbandonRun(w.t.Context(), uuid.New(), "bob")
		w.refuses(err, store.NotFound)
		c := w.claimOne("first")
		w.accepts(manifest(c), submitted(c), running(c))
		_, err = w.AbandonRun(w.t.Context(), run.ID, "bob")
		w.refuses(err, store.LeaseHeld)
		w.Advance(leaseTime + time.Hour)
		w.abandonRun(run.ID, "bob")
		w.isIn(run.ID, "SCHEDULED AwaitingRetry")
		if lost, _, err := w.renew("first", leaseOf(c)); err != nil ||
			len(lost) != 1 {
			t.Errorf("the old holder lost %v, %v", lost, err)
		}
		w.Advance(time.Hour)
		elsewhere := request("p", "second", 1)
		elsewhere.ClusterID = "elsewhere"
		next := w.claim(elsewhere)
		if len(next) != 1 || next[0].Attempt != 2 || next[0].Takeover {
			t.Fatalf("elsewhere claimed %+v", next)
		}
		if results := w.reportAll("first", []store.Report{succeeded(c)}); results[0].Status == store.ReportAccepted {
			t.Error("the old holder was believed")
		}
		w.Advance(leaseTime + time.Hour) // its budget is spent now
		w.abandonRun(run.ID, "bob")
		w.isIn(run.ID, "CRASHED Crashed")
	})
}

func TestACancelledRunThatIsAbandonedEndsAsCancelled(t *testing.T) {
	onEachLayout(t, func(w *world) {
		other := w.one()
		w.claimOne("third")
		w.cancelRun(other.ID, actor)
		w.Advance(leaseTime + time.Hour)
		w.abandonRun(other.ID, "bob")
		w.isIn(other.ID, "CANCELLED Cancelled")
	})
}
