package schedule

import (
	"slices"
	"time"
)

// MisfireMode says which of the slots that nobody looked at in time are still run.
type MisfireMode string

const (
	Skip   MisfireMode = "skip"   // none that is late
	Latest MisfireMode = "latest" // the newest; the default
	All    MisfireMode = "all"    // every one, within Cap and Oldest
)

// ParseMode reads a mode; empty is Latest.
func ParseMode(s string) (MisfireMode, error) {
	switch m := MisfireMode(s); m {
	case "":
		return Latest, nil
	case Skip, Latest, All:
		return m, nil
	}
	return "", wrong("misfire", "skip, latest or all, got %q", s)
}

const (
	// DefaultCap is how many slots Due returns at most when the policy does not say.
	DefaultCap = 100
	// DefaultGrace is how late a slot may be and still count as on time: a few ticks of a busy server.
	DefaultGrace = time.Minute
)

// Misfire is a policy for missed slots.
type Misfire struct {
	Mode   MisfireMode
	Cap    int           // All: the newest so many; 0 is DefaultCap
	Oldest time.Duration // Latest and All: nothing older; 0 is no bound
	Grace  time.Duration // how late is on time, and not missed; 0 is DefaultGrace
}

// Due returns the slots in (last, now] to create now, oldest first. last is the instant up to which slots
// have been decided: after creating what Due returns, it is now. Its cost depends on the slots returned, not
// on those missed.
func (s *Schedule) Due(last, now time.Time, policy Misfire) []time.Time {
	floor, most := policy.bounds(last, now)
	var slots []time.Time
	for to := now; len(slots) < most; {
		slot, ok := s.newest(floor, to)
		if !ok {
			break
		}
		slots = append(slots, slot)
		to = slot.Add(-time.Second)
	}
	slices.Reverse(slots)
	return slots
}

// bounds returns the instant after which slots count, and how many of them.
func (p Misfire) bounds(last, now time.Time) (floor time.Time, most int) {
	oldest, most, grace := p.Oldest, DefaultCap, p.Grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	switch {
	case p.Mode == Skip:
		oldest = grace
	case p.Mode == All && p.Cap > 0:
		most = p.Cap
	case p.Mode != All && now.Sub(last) > grace:
		most = 1
	}
	if oldest > 0 && last.Before(now.Add(-oldest)) {
		// A slot that is exactly as old as it may be still counts.
		last = now.Add(-oldest - time.Second)
	}
	return last, most
}

// newest returns the last slot in (after, to]. It looks near the end first, then halves.
func (s *Schedule) newest(after, to time.Time) (time.Time, bool) {
	slot, ok := s.Next(after)
	if !ok || slot.After(to) {
		return time.Time{}, false
	}
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
