package schedule

import "time"

func parseEvery(spec Spec, loc *time.Location) (slotter, error) {
	if spec.Every < time.Second || spec.Every > MaxEvery || spec.Every%time.Second != 0 {
		return nil, wrong("every", "whole seconds from 1s to %s, got %s", MaxEvery, spec.Every)
	}
	seconds := int64(spec.Every / time.Second)
	anchor := anchorOf(spec, loc)
	if spec.Every < day {
		return realInterval{anchor.Unix(), seconds}, nil
	}
	w, _ := show(anchor, loc)
	return once{loc, dayInterval{w.Unix(), seconds}}, nil
}

func anchorOf(spec Spec, loc *time.Location) time.Time {
	if spec.Anchor.IsZero() {
		return time.Date(2024, time.January, 1, 0, 0, 0, 0, loc).UTC()
	}
	return spec.Anchor.UTC().Truncate(time.Second)
}

// realInterval counts real seconds from its anchor, in both directions.
type realInterval struct{ anchor, every int64 }

func (r realInterval) next(after, limit time.Time) (time.Time, bool) {
	slot := time.Unix(align(after.Unix()+1, r.anchor, r.every), 0).UTC()
	return slot, !slot.After(limit)
}

// dayInterval counts on the wall, so that a day is a day however long it was.
type dayInterval struct{ anchor, every int64 }

func (r dayInterval) next(from, limit wall, _ time.Duration) (wall, bool) {
	w := time.Unix(align(from.Unix(), r.anchor, r.every), 0).UTC()
	return w, !w.After(limit)
}

// align returns the first number at or after n that is a whole number of steps from anchor.
func align(n, anchor, step int64) int64 {
	rest := (n - anchor) % step
	switch {
	case rest == 0:
		return n
	case rest < 0:
		return n - rest
	}
	return n + step - rest
}
