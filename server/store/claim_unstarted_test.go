package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// TestARunWhoseAttemptsNeverStartWaitsLongerEachTimeAndEnds: whichever way they end. Without that, one bad run
// keeps its cluster and its workers busy for ever.
func TestARunWhoseAttemptsNeverStartWaitsLongerEachTimeAndEnds(t *testing.T) {
	report := func(kind store.ReportKind, category lifecycle.Category) func(*world, store.Claim) time.Duration {
		return func(w *world, c store.Claim) time.Duration {
			w.accepts(store.Report{Lease: leaseOf(c), Kind: kind, Outcome: lifecycle.Outcome{Category: category}})
			return 0
		}
	}
	pending := func(end func(*world, store.Claim) time.Duration) func(*world, store.Claim) time.Duration {
		return func(w *world, c store.Claim) time.Duration {
			w.accepts(manifest(c), submitted(c))
			return end(w, c)
		}
	}
	gone := func(_ *world, _ store.Claim) time.Duration { return leaseTime } // after which the lease has expired
	ways := map[string]func(*world, store.Claim) time.Duration{
		"handed back":         report(store.ReportHandedBack, ""),
		"preempted":           pending(report(store.ReportEnded, lifecycle.Preempted)),
		"quota":               report(store.ReportEnded, lifecycle.Quota),
		"image pull":          pending(report(store.ReportEnded, lifecycle.ImagePull)),
		"worker gone at once": gone,
		"worker gone with the Job about to be created": func(w *world, c store.Claim) time.Duration {
			if !c.Takeover {
				w.accepts(manifest(c))
			}
			return gone(w, c)
		},
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				run := w.one(func(d *store.Deployment) {
					d.Retries = lifecycle.RetryPolicy{InfrastructureMax: 10 * lifecycle.MaxUnstarted, InfrastructureSet: true}
				})
				starts, longest := 0, time.Duration(0)
				for starts <= lifecycle.MaxUnstarted {
					claims, waited := w.claimLater()
					if len(claims) == 0 {
						break
					}
					if waited+claimStep < longest {
						t.Fatalf("start %d came after %s, an earlier one after %s", starts+1, waited, longest)
					}
					longest = max(longest, waited)
					claim := claims[0]
					if claim.Cancelling { // a Job may exist: the worker has deleted it
						w.accepts(ended(claim, lifecycle.Outcome{Category: lifecycle.CancelledEnd}))
						break
					}
					starts++
					w.Advance(end(w, claim))
				}

				got := w.isIn(run.ID, "CRASHED Crashed")
				if !strings.Contains(got.State.Message, "100 attempts ended before the container started") {
					t.Errorf("the reason is %q", got.State.Message)
				}
				if starts != lifecycle.MaxUnstarted {
					t.Errorf("it was started %d times, want %d", starts, lifecycle.MaxUnstarted)
				}
				if longest < 5*time.Minute || longest > 5*time.Minute+2*claimStep {
					t.Errorf("the longest wait was %s, want 5m", longest)
				}
				if n := w.used("p"); n != 0 {
					t.Errorf("%d slots are used", n)
				}
			})
		})
	}
}

// claimStep is how exact the waits of claimLater are.
const claimStep = 20 * time.Second

// claimLater claims as soon as there is something to claim, and returns how long that took; nothing after ten
// minutes. Time passes while it asks, too.
func (w *world) claimLater() ([]store.Claim, time.Duration) {
	w.t.Helper()
	const most = 10 * time.Minute
	start := time.Now()
	for waited := time.Duration(0); waited <= most; waited += claimStep {
		if claims := w.claim(restarted(request("p", "w", 10))); len(claims) > 0 {
			return claims, waited + time.Since(start)
		}
		w.Advance(claimStep)
	}
	return nil, 0
}
