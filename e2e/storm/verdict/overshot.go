package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// overshot finds limits that were exceeded, in the samples of the database and as the workers saw it.
func (j *judge) overshot() {
	limits := map[string]int{}
	for _, l := range j.Limits {
		limits[l.Scope] = l.Max
	}
	for _, s := range j.Samples {
		if limit, limited := limits[s.Scope]; limited && s.Used > limit {
			j.violate(Overshot, uuid.Nil, "%s had %d attempts in live after %s, at most %d are allowed", s.Scope, s.Used, s.At,
				limit)
		}
	}
	slots := j.slots()
	for _, l := range j.Limits {
		j.overshotBy(l, slots[l.Scope])
	}
	j.claimedWhilePaused()
}

// slot is the time during which an attempt had a slot for certain: from the first answer that gave it to a worker until
// the first report that can have ended it was sent.
type slot struct {
	run uuid.UUID
	span
}

// slots returns the slots of each scope.
func (j *judge) slots() map[string][]slot {
	byScope := map[string][]slot{}
	for _, holds := range j.holds {
		run := j.runs[holds[0].run]
		if run == nil {
			continue
		}
		for _, s := range j.slotsOf(holds) {
			for _, scope := range run.scopes() {
				byScope[scope] = append(byScope[scope], slot{run.ID, s})
			}
		}
	}
	return byScope
}

// scopes are what the slots of a run belong to.
func (r *Run) scopes() []string {
	return []string{"pool " + r.Pool, "queue " + r.Queue, "deployment " + r.Deployment}
}

// slotsOf returns when an attempt had a slot. It may have had several: handing it back frees the slot. A claim whose answer
// came late may have been over by then, through a report of the same epoch or a later one.
func (j *judge) slotsOf(holds []*hold) []span {
	ends := j.ends()[holds[0].attempt]
	var spans []span
	for _, h := range holds {
		s := span{h.from, forever}
		for _, end := range ends {
			if end.epoch >= h.epoch {
				s.until = min(s.until, end.sent)
			}
		}
		n := len(spans)
		switch {
		case s.empty():
		case n > 0 && spans[n-1].until >= s.from: // taken over, in the same slot
			spans[n-1].until = max(spans[n-1].until, s.until)
		default:
			spans = append(spans, s)
		}
	}
	return spans
}

// slotEnd is the sending of a report that can have freed the slot of an attempt.
type slotEnd struct {
	epoch int64
	sent  time.Duration
}

// ends are the reports, by attempt, that can have freed its slot.
func (j *judge) ends() map[uuid.UUID][]slotEnd {
	if j.ended == nil {
		j.ended = map[uuid.UUID][]slotEnd{}
		for _, e := range j.Entries {
			if e.Kind == journal.Reported && (e.Report == "ended" || e.Report == "handed_back") &&
				(e.Status == journal.Accepted || e.Status == journal.NoAnswer) {
				j.ended[e.Attempt] = append(j.ended[e.Attempt], slotEnd{e.Epoch, e.Sent})
			}
		}
	}
	return j.ended
}

// overshotBy finds the moments at which more slots of a limit were in use than it allows.
func (j *judge) overshotBy(l Limit, slots []slot) {
	type change struct {
		at  time.Duration
		by  int
		run uuid.UUID
	}
	var changes []change
	for _, s := range slots {
		changes = append(changes, change{s.from, 1, s.run}, change{s.until, -1, s.run})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), a.by-b.by) })
	used := 0
	for _, c := range changes {
		if used += c.by; c.by > 0 && used > l.Max {
			j.violate(Overshot, c.run, "%s had %d slots in use after %s, at most %d are allowed", l.Scope, used, c.at, l.Max)
		}
	}
}

// straggling is for how long a call without an answer may still be carried out.
const straggling = time.Minute

// pauses are the times, by scope, during which nothing may be claimed: from the answer to a pause until its end was sent.
// A call without an answer that ends a pause may end the next ones, too.
func (j *judge) pauses() map[string][]span {
	pauses, doubtful := map[string][]span{}, map[string]time.Duration{}
	for _, e := range j.Entries {
		switch e.Kind {
		case journal.Paused:
			if e.At >= doubtful[e.Scope] {
				pauses[e.Scope] = append(pauses[e.Scope], span{e.At, forever})
			}
		case journal.Resumed:
			for i, p := range pauses[e.Scope] {
				pauses[e.Scope][i].until = min(p.until, max(p.from, e.Sent))
			}
			if e.Status == journal.NoAnswer {
				doubtful[e.Scope] = e.At + straggling
			}
		}
	}
	return pauses
}

// claimedWhilePaused finds claims that were sent and answered during a pause. A pause does not stop takeovers, which have a
// text.
func (j *judge) claimedWhilePaused() {
	pauses := j.pauses()
	for _, e := range j.Entries {
		run := j.runs[e.Run]
		if e.Kind != journal.Claimed || run == nil || e.Text != "" {
			continue
		}
		for _, scope := range run.scopes() {
			for _, p := range pauses[scope] {
				if e.Sent > p.from && e.At < p.until {
					j.violate(Overshot, run.ID, "%s claimed attempt %d while %s was paused", e.Who, e.Number, scope)
				}
			}
		}
	}
}
