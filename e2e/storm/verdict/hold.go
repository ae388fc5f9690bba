package verdict

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// forever is the end of what has none.
const forever = time.Duration(math.MaxInt64)

// hold is the time from a claim until its worker knows that it is over, or does something that ends it.
type hold struct {
	session string
	run     uuid.UUID
	attempt uuid.UUID
	number  int32
	epoch   int64
	sent    time.Duration // when the claim was sent
	from    time.Duration // when it was answered
	until   time.Duration
	claim   grant
}

// grant is a lease as a worker was told of it: it lasts from the answer until its time is over.
type grant struct{ sent, from, until time.Duration }

// jump is the time during which the database's clock was moved forward.
type jump struct{ from, until time.Duration }

// span is a time; until is not part of it.
type span struct{ from, until time.Duration }

func (s span) overlap(other span) span {
	return span{max(s.from, other.from), min(s.until, other.until)}
}
func (s span) empty() bool { return s.from >= s.until }

// readHolds finds who held what, and for how long, as the workers saw it.
func (j *judge) readHolds() {
	j.holds, j.grants = map[uuid.UUID][]*hold{}, map[string][]grant{}
	open := map[string]map[uuid.UUID]*hold{} // by session and attempt
	for _, e := range j.Entries {
		if e.Kind == journal.Jumped && e.By > 0 {
			j.jumps = append(j.jumps, jump{e.Sent, e.At})
		}
	}
	for _, e := range j.Entries {
		switch e.Kind {
		case journal.Claimed:
			j.openHold(open, e)
		case journal.Renewed:
			j.grants[e.Who] = append(j.grants[e.Who], grant{e.Sent, e.At, e.Until})
		case journal.Lost, journal.Abandoned, journal.Released:
			closeHold(open[e.Who][e.Attempt], e.Sent)
		case journal.Reported:
			if endsHold(e) {
				closeHold(open[e.Who][e.Attempt], e.Sent)
			}
		case journal.Killed:
			for _, h := range open[e.Who] {
				closeHold(h, e.Sent)
			}
		}
	}
}

func (j *judge) openHold(open map[string]map[uuid.UUID]*hold, e journal.Entry) {
	h := &hold{
		session: e.Who, run: e.Run, attempt: e.Attempt, number: e.Number, epoch: e.Epoch, sent: e.Sent, from: e.At,
		until: forever, claim: grant{e.Sent, e.At, e.Until},
	}
	if open[e.Who] == nil {
		open[e.Who] = map[uuid.UUID]*hold{}
	}
	if before := open[e.Who][e.Attempt]; before != nil {
		closeHold(before, e.Sent)
	}
	open[e.Who][e.Attempt] = h
	j.holds[e.Attempt] = append(j.holds[e.Attempt], h)
}

func closeHold(h *hold, at time.Duration) {
	if h != nil {
		h.until = min(h.until, at)
	}
}

// endsHold says that an attempt may be over from the sending of this report on, or that its worker was told that it
// holds it no longer.
func endsHold(e journal.Entry) bool {
	return e.Report == "ended" || e.Report == "handed_back" || e.Status == "stale" || e.Status == "ended" ||
		e.Status == "unknown"
}

// valid are the times during which the worker of a hold had the lease: what was granted, up to a jump of the database's
// clock, after which every earlier lease has expired. A renewal that was sent before the claim was answered did not list the
// attempt, so it counts for nothing.
func (j *judge) valid(h *hold) []span {
	var spans []span
	for i, g := range append([]grant{h.claim}, j.grants[h.session]...) {
		if i > 0 && g.sent < h.from {
			continue
		}
		s := span{g.from, g.until}
		for _, jumped := range j.jumps {
			if g.sent < jumped.until {
				s.until = min(s.until, jumped.from)
			}
		}
		if s = s.overlap(span{h.from, h.until}); !s.empty() {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	return spans
}
