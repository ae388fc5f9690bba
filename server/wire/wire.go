// Package wire converts between the types of the API and the records of the store. A function named for an
// API type returns that type; a function named Read… returns the record. It decides nothing and reads
// nothing.
package wire

import (
	"encoding/json"
	"time"
)

// Time returns a time that JSON can represent: a stored time outside the years 1 to 9999 is moved to the nearest
// one. It would otherwise break the whole response that it is part of.
func Time(t time.Time) time.Time {
	t = t.UTC()
	switch {
	case t.Year() < 1:
		return time.Time{}
	case t.Year() > maxYear:
		return time.Date(maxYear, time.December, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}

// TimePtr is Time for a time that may be absent.
func TimePtr(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	shown := Time(*t)
	return &shown
}

// maxYear is the last year that RFC 3339 can write.
const maxYear = 9999

func printable(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= maxYear }

// document returns a stored document as part of a response: {} if there is none, or if it is not JSON.
func document(stored json.RawMessage) json.RawMessage {
	if len(stored) == 0 || !json.Valid(stored) {
		return json.RawMessage("{}")
	}
	return stored
}

// Or returns what p points to, or fallback when p is nil.
func Or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// OrNil returns a pointer to v, or nil when v is the zero value: the field is then left out.
func OrNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// NonNil returns items, or an empty list when items is nil: a list of the API is never null.
func NonNil[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// Each converts every item of a list. The result is never nil.
func Each[From, To any](items []From, convert func(From) To) []To {
	converted := make([]To, len(items))
	for i, item := range items {
		converted[i] = convert(item)
	}
	return converted
}
