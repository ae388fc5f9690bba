package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// frozenPath is a way on which a run that was made before a value was frozen comes to another claim.
type frozenPath struct {
	// before the freeze, and from there to the next claim
	before, after func(w *world, run uuid.UUID)
	pool          string // that claims; empty: p
}

// frozenPaths are all ways. Each begins with a run that has not been claimed.
func frozenPaths() map[string]frozenPath {
	nothing := func(*world, uuid.UUID) {}
	claimed := func(w *world, _ uuid.UUID) { w.claimOne("w") }
	ends := func(category lifecycle.Category, started bool) func(*world, uuid.UUID) {
		return func(w *world, _ uuid.UUID) {
			claim := w.claimOne("w")
			w.accepts(manifest(claim), submitted(claim))
			code := ptr(int32(1))
			if started {
				w.accepts(running(claim))
			} else {
				code = nil
			}
			w.accepts(ended(claim, lifecycle.Outcome{Category: category, ExitCode: code}))
		}
	}
	later := func(w *world, _ uuid.UUID) { w.Advance(10 * time.Minute) }
	return map[string]frozenPath{
		"waiting":              {before: nothing, after: nothing},
		"automatic retry":      {before: ends(lifecycle.App, true), after: later},
		"infrastructure retry": {before: ends(lifecycle.Evicted, true), after: later},
		"not started yet":      {before: ends(lifecycle.Preempted, false), after: later},
		"manual retry": {
			before: ends(lifecycle.Config, false),
			after:  func(w *world, run uuid.UUID) { w.retryRun(run, actor) },
		},
		"manual retry before the freeze": {
			before: func(w *world, run uuid.UUID) {
				ends(lifecycle.Config, false)(w, run)
				w.retryRun(run, actor)
			},
			after: nothing,
		},
		"out of memory": {before: ends(lifecycle.OOM, true), after: later},
		"handed back": {
			before: func(w *world, _ uuid.UUID) {
				claim := w.claimOne("w")
				w.accepts(store.Report{Lease: leaseOf(claim), Kind: store.ReportHandedBack})
			},
			after: nothing,
		},
		"handed back after the freeze": {
			before: claimed,
			after: func(w *world, run uuid.UUID) {
				attempt := w.listAttempts(run)[0]
				w.accepts(store.Report{
					Lease: store.Lease{AttemptID: attempt.ID, Epoch: attempt.Epoch}, Kind: store.ReportHandedBack,
				})
			},
		},
		"abandoned": {
			before: claimed,
			after: func(w *world, run uuid.UUID) {
				w.Advance(leaseTime + time.Second)
				w.abandonRun(run, actor)
				later(w, run)
			},
		},
		"the deployment moves to another queue": {
			before: ends(lifecycle.Config, false),
			after: func(w *world, run uuid.UUID) {
				w.createQueue(store.Queue{Pool: "p", Name: "q"}, actor)
				w.frozenDeployment(func(d *store.Deployment) { d.Queue = "q" })
				w.retryRun(run, actor)
			},
		},
		"the deployment moves to another pool": {
			pool: "other", before: ends(lifecycle.Config, false),
			after: func(w *world, run uuid.UUID) {
				w.pool("other")
				w.frozenDeployment(func(d *store.Deployment) { d.Pool = "other" })
				w.retryRun(run, actor)
			},
		},
	}
}

// frozenDeployment is the deployment with its image frozen.
func (w *world) frozenDeployment(change ...func(*store.Deployment)) {
	w.t.Helper()
	w.deployment("d", "p", append([]func(*store.Deployment){func(d *store.Deployment) {
		d.JobVariables = json.RawMessage(`{"image":"frozen:1","memory":"1Gi"}`)
		d.FrozenVariables = []string{"image"}
		d.Parameters, d.FrozenParameters = json.RawMessage(`{"mode":"safe"}`), []string{"mode"}
		d.Retries = frozenRetries
	}}, change...)...)
}

var frozenRetries = lifecycle.RetryPolicy{
	Max: 5, InfrastructureMax: 5, InfrastructureSet: true,
	OOM: &lifecycle.OOMPolicy{Max: 5, Variable: "memory"},
}

// TestAValueFrozenAfterARunWasMadeHoldsOnEveryPath: also for a retry of a run of an earlier revision.
func TestAValueFrozenAfterARunWasMadeHoldsOnEveryPath(t *testing.T) {
	for name, path := range frozenPaths() {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				w.pool("p")
				w.deployment("d", "p", func(d *store.Deployment) {
					d.JobVariables = json.RawMessage(`{"image":"old:1","memory":"1Gi"}`)
					d.Parameters = json.RawMessage(`{"mode":"old"}`)
					d.Retries = frozenRetries
				})
				run := w.run("d", func(n *store.NewRun) { n.Parameters = json.RawMessage(`{"mode":"old"}`) })
				path.before(w, run.ID)
				w.frozenDeployment()
				path.after(w, run.ID)

				claims := w.claim(request(pathPool(path), "w", 10))
				if len(claims) != 1 {
					t.Fatalf("claimed %d attempts, want 1; the run is %+v", len(claims), w.getRun(run.ID).State)
				}
				claim := claims[0]
				if !strings.Contains(string(claim.Frozen), `"frozen:1"`) {
					t.Errorf("attempt %d has frozen %s", claim.Attempt, claim.Frozen)
				}
				if got := string(claim.Parameters); got != `{"mode":"safe"}` {
					t.Errorf("attempt %d has the parameters %s", claim.Attempt, got)
				}

				// Whoever takes the attempt over, and a repeated answer, have the same.
				w.Advance(leaseTime + time.Minute)
				taken := w.claim(request(pathPool(path), "other", 10))
				if len(taken) != 1 || !taken[0].Takeover || string(taken[0].Frozen) != string(claim.Frozen) {
					t.Errorf("taken over: %+v, want frozen %s", taken, claim.Frozen)
				}
			})
		})
	}
}

func pathPool(p frozenPath) string {
	if p.pool == "" {
		return "p"
	}
	return p.pool
}

// TestARunsOwnValueNeverGetsPastAFreezeOnAnyPath: its operator set another image before it was frozen.
func TestARunsOwnValueNeverGetsPastAFreezeOnAnyPath(t *testing.T) {
	for name, path := range frozenPaths() {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				w.pool("p")
				w.deployment("d", "p", func(d *store.Deployment) {
					d.JobVariables = json.RawMessage(`{"image":"old:1","memory":"1Gi"}`)
					d.Retries = frozenRetries
				})
				run := w.run("d", func(n *store.NewRun) { n.JobVariables = json.RawMessage(`{"image":"own:1"}`) })
				path.before(w, run.ID)
				w.frozenDeployment()
				path.after(w, run.ID)

				if claims := w.claim(request(pathPool(path), "w", 10)); len(claims) != 0 {
					t.Fatalf("claimed %+v", claims)
				}
				got := w.isIn(run.ID, "FAILED Failed")
				if !strings.Contains(got.State.Message, `"image"`) || got.Category != lifecycle.Template {
					t.Errorf("it says %q, category %s", got.State.Message, got.Category)
				}
			})
		})
	}
}
