package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// ahead does something while the database's clock is two hours ahead, and lets the server correct it after.
func (w *world) ahead(do func()) store.ClockCorrection {
	w.t.Helper()
	const by = 2 * time.Hour
	w.Advance(by)
	do()
	w.Advance(-by)
	return w.correctClock()
}

func (w *world) correctClock() store.ClockCorrection {
	w.t.Helper()
	return must[store.ClockCorrection](w.t)(w.CorrectClock(w.t.Context(), leaseTime))
}

func TestALeaseOfAClockThatWasAheadEndsInTime(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		var claim store.Claim
		if c := w.ahead(func() { claim = w.claimOne("gone") }); c.Leases != 1 {
			t.Errorf("corrected %+v, want one lease", c)
		}
		w.Advance(leaseTime + time.Second)
		taken := w.claimOne("w")
		if !taken.Takeover || taken.AttemptID != claim.AttemptID {
			t.Errorf("got %+v, want the attempt of the worker that is gone", taken)
		}
		if c := w.correctClock(); c.Any() {
			t.Errorf("corrected %+v although the clock is right", c)
		}
	})
}

// TestAnAttemptOfAClockThatWasAheadIsReleasedInTime: nothing but leased_at says when the lease of an attempt ends that was
// released, or whose claim was never answered so that its worker does not renew it.
func TestAnAttemptOfAClockThatWasAheadIsReleasedInTime(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		for _, r := range []struct {
			name    string
			release func(store.Claim)
		}{
			{"released", func(c store.Claim) {
				w.check(w.ReleaseLeases(w.t.Context(), "w", []store.Lease{leaseOf(c)}))
			}},
			{"never answered", func(store.Claim) {}},
		} {
			w.run("d")
			var claim store.Claim
			c := w.ahead(func() {
				claim = w.claimOne("w")
				r.release(claim)
			})
			if c.Attempts != 1 {
				w.t.Errorf("%s: corrected %+v, want one attempt", r.name, c)
			}
			w.Advance(leaseTime + time.Second)
			_, _, err := w.renew("w") // the worker is alive and knows of no attempt
			w.check(err)
			taken := w.claimOne("other")
			if taken.AttemptID != claim.AttemptID || !taken.Takeover {
				w.t.Errorf("%s: claimed %+v, want attempt %s taken over", r.name, taken, claim.AttemptID)
			}
			w.accepts(succeeded(taken))
			if c := w.correctClock(); c.Any() {
				w.t.Errorf("%s: corrected %+v although the clock is right", r.name, c)
			}
		}
	})
}

func TestATimeoutOfAClockThatWasAheadPassesInTime(t *testing.T) {
	onEach(t, func(w *world) {
		limit := time.Minute
		run := w.one(func(d *store.Deployment) { d.Timeout = &limit })
		var claim store.Claim
		w.ahead(func() {
			claim = w.claimOne("w")
			w.accepts(submitted(claim), running(claim))
		})
		w.Advance(limit + time.Second)
		w.sweep()
		w.isIn(run.ID, "CANCELLING Cancelling")
		w.accepts(ended(claim, lifecycle.Outcome{Category: lifecycle.CancelledEnd}))
		if ended := w.getRun(run.ID).EndedAt; ended == nil || ended.After(w.Now().Add(time.Second)) {
			t.Errorf("the run ended at %v, which is after %s", ended, w.Now())
		}
	})
}

// TestAClockThatJumpsForwardMovesAttemptsButDoublesNone: every lease seems to have expired.
func TestAClockThatJumpsForwardMovesAttemptsButDoublesNone(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		first := w.claimOne("w")
		w.accepts(manifest(first), submitted(first), running(first))
		w.Advance(2 * time.Hour)
		taken := w.claimOne("other")
		if taken.AttemptID != first.AttemptID || taken.JobUID != submitted(first).JobUID {
			t.Fatalf("got %+v, want the same attempt with the same Job", taken)
		}
		same(t, "the report of the first worker", w.says(succeeded(first)), []store.ReportStatus{store.ReportStale})
		w.Advance(-2 * time.Hour)
		w.accepts(succeeded(taken))
		w.isIn(run.ID, "COMPLETED Completed")
		if n := len(w.listAttempts(run.ID)); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

// TestADelayOfAClockThatWasAheadPassesInTime: of an attempt that was handed back, and of a slot with jitter.
func TestADelayOfAClockThatWasAheadPassesInTime(t *testing.T) {
	for name, delayed := range map[string]func(w *world){
		"handed back": func(w *world) {
			w.run("d")
			for range 2 { // the first time costs nothing
				w.accepts(store.Report{Lease: leaseOf(w.claimOne("w")), Kind: store.ReportHandedBack})
			}
		},
		"with jitter": func(w *world) {
			w.run("d", func(n *store.NewRun) { n.ScheduleID, n.Delay = uuid.New(), 5*time.Second })
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(w *world) {
				w.pool("p")
				w.deployment("d", "p")
				if c := w.ahead(func() { delayed(w) }); c.Runs != 1 {
					w.t.Errorf("corrected %d runs, want one", c.Runs)
				}
				if claims := w.claim(request("p", "w", 1)); len(claims) > 0 {
					w.t.Error("the run was claimed before its delay was over")
				}
				w.Advance(6 * time.Second)
				w.accepts(succeeded(w.claimOne("w")))
			})
		})
	}
}

func TestRunsOfAClockThatWasAheadAreDueInTime(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one(func(d *store.Deployment) {
			d.Retries = lifecycle.RetryPolicy{Max: 1, Delay: time.Minute}
		})
		later := w.Now().Add(3 * time.Hour).UTC().Truncate(time.Second)
		var own *store.Run
		c := w.ahead(func() {
			claim := w.claimOne("w")
			w.accepts(ended(claim, lifecycle.Outcome{Category: lifecycle.App, ExitCode: ptr(int32(1))}))
			w.run("d") // due at once
			own = w.run("d", func(n *store.NewRun) { n.ScheduledTime = &later })
		})
		if c.Runs != 2 {
			t.Errorf("corrected %d runs, want the new one and the retry", c.Runs)
		}
		w.accepts(succeeded(w.claimOne("w"))) // the new one
		w.Advance(time.Minute)
		if retry := w.claimOne("w"); retry.Attempt != 2 {
			t.Errorf("claimed attempt %d, want the retry", retry.Attempt)
		}
		if due := w.getRun(own.ID).DueAt; !due.Equal(later) {
			t.Errorf("a run that was asked for at %s is due at %s", later, due)
		}
	})
}

// TestARunOfAClockThatWasAheadIsDueWhenItIsHandedBack: it was made and claimed by the clock that was ahead, and is in ready
// again only once that has been corrected.
func TestARunOfAClockThatWasAheadIsDueWhenItIsHandedBack(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		var claim store.Claim
		w.ahead(func() {
			w.run("d")
			claim = w.claimOne("w")
		})
		w.accepts(store.Report{Lease: leaseOf(claim), Kind: store.ReportHandedBack})
		if again := w.claimOne("other"); again.RunID != claim.RunID {
			t.Errorf("claimed %+v, want run %s", again, claim.RunID)
		}
	})
}
