package explain_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/store"
)

// Deployments of holders and of runs ahead; nothing is known of the last.
var etl, report, unknown = uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}

// heldFor makes runs of a deployment that hold slots since so long.
func heldFor(deployment uuid.UUID, ages ...time.Duration) []store.SlotHolder {
	holders := make([]store.SlotHolder, len(ages))
	for i, age := range ages {
		holders[i] = store.SlotHolder{
			Run: uuid.UUID{15: byte(i + 1)}, Name: fmt.Sprintf("holder-%d", i+1), Pool: "k8s", DeploymentID: deployment, Since: ago(age),
		}
	}
	return holders
}

// full is a gate whose limit is reached.
func full(id uuid.UUID, limit int32, holders []store.SlotHolder) store.ClaimGate {
	return store.ClaimGate{ID: id, Name: "g", Limit: &limit, Used: int32(len(holders)), Holders: holders}
}

func TestWhenARunIsLikelyToStart(t *testing.T) {
	const m = time.Minute
	for name, c := range map[string]struct {
		change   func(*store.RunFacts)
		from, to time.Duration
		none     bool
	}{
		"nothing keeps it": {none: true, change: func(*store.RunFacts) {}},
		"it is due later":  {from: 90 * m, to: 90 * m, change: func(f *store.RunFacts) { f.Run.DueAt = now.Add(90 * m) }},
		"one slot, the holder has most behind it": {from: 2 * m, to: 12 * m, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m))
		}},
		"the first of two slots": {from: 2 * m, to: 12 * m, change: func(f *store.RunFacts) {
			f.Gates.Queue = full(uuid.UUID{9}, 2, heldFor(etl, 8*m, 1*m))
		}},
		"a holder that takes longer than usual": {from: 0, to: 8 * m, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 12*m))
		}},
		"a holder that takes longer than almost all": {from: 0, to: 30 * m, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 30*m))
		}},
		"four runs of the deployment ahead": {from: 42 * m, to: 72 * m, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m)) // 2 and 4 × 10; 12 and 4 × (10 + 10/√4)
			f.AheadInQueue, f.AheadOf = 6, map[uuid.UUID]int{etl: 4, report: 2}
		}},
		"runs of other queues go first in a full pool": {from: 4 * m, to: 14 * m, change: func(f *store.RunFacts) {
			f.Gates.Pool = full(uuid.UUID{9}, 2, heldFor(etl, 8*m, 8*m)) // each slot takes one of two of 2 to 2 minutes
			f.AheadInQueue, f.AheadInOtherQueues, f.AheadOf = 1, 1, map[uuid.UUID]int{report: 2}
		}},
		"a lowered limit frees no slot at first": {from: 8 * m, to: 18 * m, change: func(f *store.RunFacts) {
			f.Gates.Pool = full(uuid.UUID{9}, 1, heldFor(etl, 8*m, 2*m))
		}},
		"holders that are not named are younger": {from: 6 * m, to: 16 * m, change: func(f *store.RunFacts) {
			f.Gates.Pool = full(uuid.UUID{9}, 1, heldFor(etl, 8*m))
			f.Gates.Pool.Used = 2
		}},
		"the later of two limits": {from: 9 * m, to: 19 * m, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m))
			f.Gates.Pool = full(uuid.UUID{9}, 1, heldFor(etl, 1*m))
		}},
		"a limit and a time that comes later": {from: 30 * m, to: 30 * m, change: func(f *store.RunFacts) {
			f.Run.DueAt = now.Add(30 * m)
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m))
		}},
		"a holder of a deployment without a past counts as the others": {from: 1 * m, to: 11 * m, change: func(f *store.RunFacts) {
			f.Gates.Pool = full(uuid.UUID{9}, 2, append(heldFor(unknown, 9*m), heldFor(etl, 1*m)...))
		}},
		"no deployment has a past": {none: true, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(unknown, 1, heldFor(unknown, 8*m))
		}},
		"those ahead have no past": {none: true, change: func(f *store.RunFacts) {
			f.Gates.Queue = full(uuid.UUID{9}, 1, heldFor(etl, 8*m))
			f.AheadInQueue, f.AheadOf = 1, map[uuid.UUID]int{unknown: 1}
		}},
		"more are ahead than were counted": {none: true, change: func(f *store.RunFacts) {
			f.Gates.Queue = full(uuid.UUID{9}, 1, heldFor(etl, 8*m))
			f.AheadInQueue, f.AheadOf = store.AheadCountMax, map[uuid.UUID]int{etl: store.AheadCountMax}
		}},
		"a limit of nothing": {none: true, change: func(f *store.RunFacts) { f.Gates.Queue = full(uuid.UUID{9}, 0, nil) }},
		"a pause": {none: true, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m))
			f.Gates.Pool.Paused = true
		}},
		"no worker": {none: true, change: func(f *store.RunFacts) {
			f.Gates.Deployment = full(etl, 1, heldFor(etl, 8*m))
			f.Workers = nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := explain.Explain(runFacts(func(f *store.RunFacts) {
				f.Usual = map[uuid.UUID]store.Percentiles{
					etl:    {Runs: 50, P50: 10 * m, P95: 20 * m},
					report: {Runs: 5, P50: 2 * m, P95: 2 * m},
				}
				c.change(f)
			})).Forecast
			if c.none {
				if got != nil {
					t.Errorf("forecasts %+v", *got)
				}
				return
			}
			if got == nil || got.From.Round(time.Second) != c.from || got.To.Round(time.Second) != c.to {
				t.Errorf("forecasts %+v, want %s to %s", got, c.from, c.to)
			}
		})
	}
}

func TestWhoHoldsTheSlotsAndWhatHelps(t *testing.T) {
	many := make([]time.Duration, store.HoldersMax)
	e := explain.Explain(runFacts(func(f *store.RunFacts) {
		f.Gates.Queue = full(uuid.UUID{8}, 25, heldFor(etl, many...))
		f.Gates.Queue.Used, f.Gates.Queue.Holders[1].Pool = 25, "elsewhere"
		f.Gates.Pool = full(uuid.UUID{9}, 25, heldFor(report, time.Hour))
		f.Usual = map[uuid.UUID]store.Percentiles{etl: {Runs: 1, P50: time.Minute, P95: time.Minute}}
		f.AheadInQueue = 7
	}))
	if len(e.Holders) != store.HoldersMax || e.HolderCount != 25 || e.Holders[0].Usual != time.Minute {
		t.Errorf("%d of %d holders: %+v", len(e.Holders), e.HolderCount, e.Holders)
	}
	if e.Ahead == nil || *e.Ahead != 7 {
		t.Errorf("%v ahead", e.Ahead)
	}
	cancelled := map[string]bool{}
	for _, a := range e.Actions {
		if a.Kind == explain.Cancel {
			cancelled[a.Target.Name] = true
		}
	}
	if len(cancelled) != store.HoldersMax-1 || cancelled["holder-2"] {
		t.Errorf("offers to cancel %v, want all but that of another pool", cancelled)
	}
	for name, change := range map[string]func(*store.RunFacts){
		"it is not due": func(f *store.RunFacts) { f.Run.DueAt = now.Add(time.Hour) },
		"it runs":       func(f *store.RunFacts) { f.Run.State.Type = "RUNNING" },
	} {
		if e := explain.Explain(runFacts(change)); e.Ahead != nil || e.Holders != nil || len(e.Actions) != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
