package schedule

import "time"

func parseEvery(spec Spec, loc *time.Location) (slotter, error) {
	if spec.Every < time.Second || spec.Every > MaxEvery || spec.Every%time.Second != 0 {
		return nil, invalidField("every", "whole seconds from 1s to %s, got %s", MaxEvery, spec.Every)
	}
	seconds := int64(spec.Every / time.Second)
	anchor := anchorOf(spec, loc)
	if spec.Every < day {
		return elapsedInterval{anchor.Unix(), seconds}, nil
	}
	w, _ := wallTimeAt(anchor, loc)
	return fixedTime{loc, dayInterval{w.Unix(), seconds}}, nil
}

func anchorOf(spec Spec, loc *time.Location) time.Time {
	if spec.Anchor.IsZero() {
		return time.Date(2024, time.January, 1, 0, 0, 0, 0, loc).UTC()
	}
	return spec.Anchor.UTC().Truncate(time.Second)
}

// elapsedInterval counts elapsed seconds from its anchor, in both directions.
type elapsedInterval struct{ anchor, every int64 }

func (r elapsedInterval) next(after, limit time.Time) (time.Time, bool) {
	slot := time.Unix(align(after.Unix()+1, r.anchor, r.every), 0).UTC()
	return slot, !slot.After(limit)
}

// dayInterval counts wall time, so that days of 23 or 25 hours are still one day.
type dayInterval struct{ anchor, every int64 }

func (r dayInterval) next(from, limit wallTime, _ time.Duration) (wallTime, bool) {
	w := time.Unix(align(from.Unix(), r.anchor, r.every), 0).UTC()
	return w, !w.After(limit)
}

// align returns the first number at or after n that is a multiple of step away from anchor.
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
