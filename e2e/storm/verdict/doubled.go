package verdict

import (
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// doubled finds what happened twice: runs of one request or slot, attempts with two holders, two ends of one attempt.
func (j *judge) doubled() {
	j.doubledRuns()
	j.doubledHolders()
	j.doubledEnds()
	j.oldEpochs()
	j.doubledAttempts()
	for _, e := range j.Executions {
		if e.Started > 1 {
			j.violate(Doubled, e.Run, "the process of attempt %d was started %d times", e.Number, e.Started)
		}
	}
}

func (j *judge) doubledRuns() {
	asked := map[int64]bool{}
	for _, e := range j.Entries {
		if e.Kind == journal.Asked {
			asked[e.Request] = true
		}
	}
	type slot struct {
		schedule uuid.UUID
		at       int64
	}
	requests, slots := map[int64]uuid.UUID{}, map[slot]uuid.UUID{}
	for _, r := range j.Runs {
		if r.Request != 0 {
			if first, again := requests[r.Request]; again {
				j.violate(Doubled, r.ID, "request %d created it, and run %s", r.Request, first)
			}
			if requests[r.Request] = r.ID; !asked[r.Request] {
				j.violate(Doubled, r.ID, "it was not asked for: there was no request %d", r.Request)
			}
			continue
		}
		at := slot{r.Schedule, r.Slot.UnixMicro()}
		if first, again := slots[at]; again {
			j.violate(Doubled, r.ID, "the slot %s of schedule %s has run %s, too", r.Slot, r.Schedule, first)
		}
		slots[at] = r.ID
	}
}

// doubledHolders finds two workers that both had a valid lease of one run.
func (j *judge) doubledHolders() {
	byRun := map[uuid.UUID][]*hold{}
	for _, holds := range j.holds {
		for _, h := range holds {
			byRun[h.run] = append(byRun[h.run], h)
		}
	}
	for run, holds := range byRun {
		slices.SortFunc(holds, func(a, b *hold) int { return int(a.from - b.from) })
		for i, first := range holds {
			for _, second := range holds[i+1:] {
				if at, both := j.together(first, second); both {
					j.violate(Doubled, run,
						"%s held attempt %d (epoch %d) and %s attempt %d (epoch %d) from %s to %s, each with a valid lease",
						first.session, first.number, first.epoch, second.session, second.number, second.epoch, at.from, at.until)
				}
			}
		}
	}
}

// together returns a time during which both leases were valid.
func (j *judge) together(a, b *hold) (span, bool) {
	if (span{a.from, a.until}).overlap(span{b.from, b.until}).empty() {
		return span{}, false
	}
	for _, x := range j.valid(a) {
		for _, y := range j.valid(b) {
			if both := x.overlap(y); !both.empty() {
				return both, true
			}
		}
	}
	return span{}, false
}

// doubledEnds finds attempts of which two ends were accepted, or that were claimed after their end was.
func (j *judge) doubledEnds() {
	first := map[uuid.UUID]journal.Entry{}
	for _, e := range j.Entries {
		end, over := first[e.Attempt]
		switch {
		case e.Kind == journal.Claimed && over && e.Sent > end.At:
			j.violate(Doubled, e.Run, "%s was given attempt %d after its end had been accepted", e.Who, e.Number)
		case e.Kind != journal.Reported || e.Report != "ended" || e.Status != journal.Accepted:
		case !over:
			first[e.Attempt] = e
		case end.Who != e.Who || end.Outcome != e.Outcome:
			j.violate(Doubled, e.Run, "attempt %d ended for %s with %q and for %s with %q", e.Number, end.Who, end.Outcome,
				e.Who, e.Outcome)
		}
	}
}

// oldEpochs finds reports that were accepted although another worker already had the attempt.
func (j *judge) oldEpochs() {
	for _, e := range j.Entries {
		if e.Kind != journal.Reported || e.Status != journal.Accepted {
			continue
		}
		for _, h := range j.holds[e.Attempt] {
			if h.epoch > e.Epoch && h.from < e.Sent {
				j.violate(Doubled, e.Run, "report %s of attempt %d was accepted from %s with epoch %d, and %s already had epoch %d",
					e.Report, e.Number, e.Who, e.Epoch, h.session, h.epoch)
				break
			}
		}
	}
}

// doubledAttempts finds runs whose attempts are not numbered from 1 on.
func (j *judge) doubledAttempts() {
	count := map[uuid.UUID]int32{}
	for _, a := range j.Attempts {
		count[a.Run]++
		if a.Number != count[a.Run] {
			j.violate(Doubled, a.Run, "the %d. attempt that is stored has number %d", count[a.Run], a.Number)
		}
	}
	for _, r := range j.Runs {
		if r.Ended && r.Attempts != count[r.ID] {
			j.violate(Lost, r.ID, "it had %d attempts, stored are %d", r.Attempts, count[r.ID])
		}
	}
}
