package schedule

import (
	"slices"
	"time"
)

// MisfireMode is which of the missed slots still become runs. A slot is missed if no server checked the
// schedule within the grace period after it.
type MisfireMode string

const (
	Skip   MisfireMode = "skip"   // none
	Latest MisfireMode = "latest" // the newest; the default
	All    MisfireMode = "all"    // every one, within Cap and Oldest
)

const (
	// DefaultCap is how many slots Due returns at most if the policy sets no Cap.
	DefaultCap = 100
	// DefaultGrace is how late a slot may be and still be on time: a few ticks of a busy server.
	DefaultGrace = time.Minute
)

// MisfirePolicy is a policy for missed slots.
type MisfirePolicy struct {
	Mode   MisfireMode
	Cap    int           // All: only the newest Cap slots; 0 means DefaultCap
	Oldest time.Duration // Latest and All: no slot older than this; 0 means unbounded
	Grace  time.Duration // a slot no later than this is on time; 0 means DefaultGrace
}

// Due returns the slots in (last, now] to create runs for, oldest first. last is the instant up to which
// slots have been decided; once the returned slots are created, that is now. The cost grows with the number
// of slots returned, not with the number missed.
func (s *Schedule) Due(last, now time.Time, policy MisfirePolicy) []time.Time {
	after, limit := policy.bounds(last, now)
	var slots []time.Time
	for to := now; len(slots) < limit; {
		slot, ok := s.newest(after, to)
		if !ok {
			break
		}
		slots = append(slots, slot)
		to = slot.Add(-time.Second)
	}
	slices.Reverse(slots)
	return slots
}

// bounds returns the instant after which slots count, and how many of them at most.
func (p MisfirePolicy) bounds(last, now time.Time) (after time.Time, limit int) {
	oldest, limit, grace := p.Oldest, DefaultCap, p.Grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	switch {
	case p.Mode == Skip:
		oldest = grace
	case p.Mode == All && p.Cap > 0:
		limit = p.Cap
	case p.Mode != All && now.Sub(last) > grace:
		limit = 1
	}
	if oldest > 0 && last.Before(now.Add(-oldest)) {
		// A slot that is exactly as old as allowed still counts; the bound is exclusive.
		last = now.Add(-oldest - time.Second)
	}
	return last, limit
}

// newest returns the last slot in (after, to]. Next only searches forward, so newest probes back from the end
// with growing steps and then bisects.
func (s *Schedule) newest(after, to time.Time) (time.Time, bool) {
	slot, ok := s.Next(after)
	if !ok || slot.After(to) {
		return time.Time{}, false
	}

	// Invariant: slot is the first one after low, and no slot is known after high.
	low, high := slot.Unix()-1, to.Unix()
	for back := int64(60); high-back > low; back *= 2 {
		if near, ok := s.Next(time.Unix(high-back, 0)); ok && !near.After(to) {
			slot, low = near, high-back
			break
		}
	}

	for high-low > 1 {
		middle := low + (high-low)/2
		if later, ok := s.Next(time.Unix(middle, 0)); ok && !later.After(to) {
			slot, low = later, middle
		} else {
			high = middle
		}
	}
	return slot, true
}
