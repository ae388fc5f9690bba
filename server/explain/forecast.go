package explain

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// Forecast is after how long a run is likely to start.
type Forecast struct{ From, To time.Duration }

// Holder is a run that holds a slot that the explained run waits for.
type Holder struct {
	store.SlotHolder

	// Usual is the median of its deployment; 0 where none is known.
	Usual time.Duration
}

// addHolders names the runs that hold the slots of the narrowest limit that is reached, and counts those ahead.
func (e *Explanation) addHolders(facts *store.RunFacts) {
	if !facts.Run.DueAt.After(facts.Now) {
		e.Ahead = &facts.AheadInQueue
	}
	for _, gate := range []store.ClaimGate{facts.Gates.Deployment, facts.Gates.Queue, facts.Gates.Pool} {
		if len(gate.Holders) == 0 {
			continue
		}
		for _, h := range gate.Holders {
			e.Holders = append(e.Holders, Holder{h, facts.Usual[h.DeploymentID].P50})
		}
		e.HolderCount = int(gate.Used)
		return
	}
}

// addForecast says when the run is likely to start: when it is due and each limit that is reached has a slot for it. There
// is none where it waits for people, as during a pause, for a worker to have time, or where the past says nothing.
func (e *Explanation) addForecast(facts *store.RunFacts) {
	var f *Forecast
	later := func(other Forecast) {
		if f == nil {
			f = &Forecast{}
		}
		f.From, f.To = max(f.From, other.From), max(f.To, other.To)
	}
	for _, reason := range e.Reasons {
		var gate store.ClaimGate
		ahead, of := facts.AheadInQueue, facts.AheadOf
		switch reason.Code {
		case NotDue, AwaitingRetry:
			left := facts.Run.DueAt.Sub(facts.Now)
			later(Forecast{left, left})
			continue
		case DeploymentFull:
			gate = facts.Gates.Deployment
			ahead = facts.AheadOf[gate.ID] // others do not need its slots
			of = map[uuid.UUID]int{gate.ID: ahead}
		case QueueFull:
			gate = facts.Gates.Queue
		case PoolFull:
			gate = facts.Gates.Pool
			ahead += facts.AheadInOtherQueues
		case PoolPaused, QueuePaused, DeploymentPaused, NoWorker, WorkersPaused, ClusterLost, LostCluster, Starting:
			return
		}
		slot, ok := forecastSlot(facts, gate, ahead, of)
		if !ok {
			return
		}
		later(slot)
	}
	e.Forecast = f
}

// forecastSlot says when a gate has a slot for a run that others go before, of the given deployments. It lets each of these
// have the slot that is free next, once with what runs usually take and once with what they take at most, as a rule.
func forecastSlot(facts *store.RunFacts, gate store.ClaimGate, ahead int, of map[uuid.UUID]int) (Forecast, bool) {
	if *gate.Limit == 0 || len(gate.Holders) == 0 || ahead >= store.AheadCountMax {
		return Forecast{}, false
	}
	holders, known := usualOf(facts, holdersByDeployment(gate.Holders))
	if !known {
		return Forecast{}, false
	}
	each := holders
	if ahead > 0 {
		if each, known = usualOf(facts, of); !known {
			return Forecast{}, false
		}
	}

	// What one slot does in a row is less uncertain than one run of it.
	rounds := max(1, float64(ahead)/float64(*gate.Limit))
	longest := each.P50 + time.Duration(float64(each.P95-each.P50)/math.Sqrt(rounds))
	usual, most := remaining(facts, gate, holders)
	return Forecast{nextSlot(usual, gate, ahead, each.P50), nextSlot(most, gate, ahead, longest)}, true
}

func holdersByDeployment(holders []store.SlotHolder) map[uuid.UUID]int {
	counts := map[uuid.UUID]int{}
	for _, h := range holders {
		counts[h.DeploymentID]++
	}
	return counts
}

// usualOf returns what runs take on average, by how many there are of each deployment. Deployments of which nothing is
// known count as the others do; false where nothing is known of any.
func usualOf(facts *store.RunFacts, counts map[uuid.UUID]int) (store.Percentiles, bool) {
	var runs int
	var p50, p95 float64
	for deployment, n := range counts {
		if usual := facts.Usual[deployment]; usual.Runs > 0 {
			runs += n
			p50 += float64(n) * usual.P50.Seconds()
			p95 += float64(n) * usual.P95.Seconds()
		}
	}
	if runs == 0 {
		return store.Percentiles{}, false
	}
	mean := func(sum float64) time.Duration { return time.Duration(sum / float64(runs) * float64(time.Second)) }
	return store.Percentiles{Runs: int64(runs), P50: mean(p50), P95: mean(p95)}, true
}

// remaining is how long each slot of a gate stays held: usually, and at most as a rule. Holders that are not named were
// claimed later than the named ones: they are taken for half as old as the last of these.
func remaining(facts *store.RunFacts, gate store.ClaimGate, otherwise store.Percentiles) (usual, most []time.Duration) {
	for i := range max(int(gate.Used), len(gate.Holders)) {
		last := gate.Holders[len(gate.Holders)-1]
		age, of := facts.Now.Sub(last.Since)/2, otherwise
		if i < len(gate.Holders) {
			holder := gate.Holders[i]
			age = facts.Now.Sub(holder.Since)
			if known := facts.Usual[holder.DeploymentID]; known.Runs > 0 {
				of = known
			}
		}
		age = max(age, 0)
		usual = append(usual, max(of.P50-age, 0))
		if age < of.P95 {
			most = append(most, of.P95-age)
		} else { // longer than almost all: who knows; such runs last
			most = append(most, age)
		}
	}
	return usual, most
}

// nextSlot is when a slot is free after the time for which it is held, and what the runs ahead take one after the other.
func nextSlot(held []time.Duration, gate store.ClaimGate, ahead int, each time.Duration) (next time.Duration) {
	slices.Sort(held)
	// A lowered limit has more holders than slots: the first that end leave none.
	held = held[max(0, len(held)-int(*gate.Limit)):]
	// When slots are free once more: in order as well, as all runs ahead take as long.
	var again []time.Duration
	for range ahead + 1 {
		if len(again) == 0 || len(held) > 0 && held[0] <= again[0] {
			next, held = held[0], held[1:]
		} else {
			next, again = again[0], again[1:]
		}
		again = append(again, next+each)
	}
	return next
}
