package kube

import (
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// waitForgotten is for how long a cause may be absent and still count from when it was first seen: an image may be pulled
// again, or a volume be mounted again, with no word of it in between.
const waitForgotten = 2 * time.Minute

// waits keeps since when an attempt waits for each cause, as far as this process has seen it. The time at which its pod was
// scheduled would be too early: the cause may follow an init container that ran for long.
type waits map[api.Category]*seenCause

type seenCause struct {
	first time.Time
	gone  time.Time // since when it is absent; zero while it is not
}

// see notes what the attempt waits for now, if anything, and returns since when it waits for that.
func (s waits) see(waiting *observe.Diagnosis, now time.Time) time.Time {
	current := api.Category("")
	if waiting != nil {
		current = waiting.Cause
	}
	for cause, seen := range s {
		switch {
		case cause != current && seen.gone.IsZero():
			seen.gone = now
		case cause == current && !seen.gone.IsZero():
			if now.Sub(seen.gone) > waitForgotten {
				seen.first = now
			}
			seen.gone = time.Time{}
		}
	}
	if current == "" {
		return now
	}
	if s[current] == nil {
		s[current] = &seenCause{first: now}
	}
	return s[current].first
}

// waitingSince is from when the deadline of what the attempt waits for counts. Where the cluster itself says since when,
// that holds, and a restart of the worker does not change it.
func (s waits) waitingSince(waiting *observe.Diagnosis, now time.Time) time.Time {
	seen := s.see(waiting, now)
	if waiting == nil {
		return now
	}
	switch waiting.Cause {
	case api.CategoryImagePull, api.CategoryConfig:
		return seen
	}
	return waiting.Since
}
