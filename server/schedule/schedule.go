package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the container image has no time zone database
	"unicode"
	"unicode/utf8"
)

// Spec is a schedule as users write it. Exactly one of Cron, Every and RRule is set.
type Spec struct {
	Cron  string        // five fields, or @hourly, @daily, @weekly, @monthly, @yearly
	Every time.Duration // whole seconds, at most MaxEvery
	RRule string        // an RFC 5545 rule, optionally with a DTSTART line before it

	// Anchor is a slot from which intervals are counted, and the DTSTART of an RRule without one. The
	// default is Monday 1 January 2024, midnight local time.
	Anchor   time.Time
	Timezone string // IANA name; empty is UTC, or the TZID of the DTSTART

	// Slots are in [Start, End); zero means unbounded.
	Start, End time.Time
	// Jitter delays each run by less than this; see Delay.
	Jitter time.Duration
}

const (
	// MaxEvery is the longest interval.
	MaxEvery = 366 * 24 * time.Hour
	// MaxJitter is the largest Jitter.
	MaxJitter = 24 * time.Hour
)

// Schedule is a parsed Spec. It is immutable and safe for concurrent use.
type Schedule struct {
	slots  slotter
	start  time.Time // first instant that may be a slot; zero means unbounded
	last   time.Time // last instant that may be a slot
	jitter time.Duration
}

// Error says which field of a Spec is invalid and what was expected there.
type Error struct {
	Field    string // "cron", "every", "anchor", "rrule", "timezone", "start", "end", "jitter"
	Expected string
	Err      error // from a parser or the time zone database; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: want %s", e.Field, e.Expected)
	}
	return fmt.Sprintf("%s: want %s: %v", e.Field, e.Expected, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

func invalidField(field, expected string, args ...any) error {
	return &Error{Field: field, Expected: fmt.Sprintf(expected, args...)}
}

// slotter finds the first slot after an instant that is not after limit. Both are whole seconds in UTC.
type slotter interface {
	next(after, limit time.Time) (time.Time, bool)
}

// Parse checks a Spec and prepares it for computing slots. Errors are of type *Error.
func Parse(spec Spec) (*Schedule, error) {
	loc, err := location(spec.Timezone)
	if err != nil {
		return nil, err
	}
	s := &Schedule{start: ceilSecond(spec.Start), last: maxTime(), jitter: spec.Jitter}
	if err := s.setBounds(spec); err != nil {
		return nil, err
	}

	switch {
	case kindsSet(spec) != 1:
		return nil, invalidField("cron", "exactly one of a cron, an interval and an rrule")
	case spec.Cron != "":
		s.slots, err = parseCron(spec.Cron, loc)
	case spec.RRule != "":
		err = s.parseRRule(spec, loc)
	default:
		s.slots, err = parseEvery(spec, loc)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func kindsSet(spec Spec) int {
	n := 0
	for _, set := range []bool{spec.Cron != "", spec.Every != 0, spec.RRule != ""} {
		if set {
			n++
		}
	}
	return n
}

// setBounds checks and applies the parts of a Spec that are independent of its rule.
func (s *Schedule) setBounds(spec Spec) error {
	if spec.Jitter < 0 || spec.Jitter > MaxJitter {
		return invalidField("jitter", "a duration from 0 to %s, got %s", MaxJitter, spec.Jitter)
	}
	if !spec.Anchor.IsZero() && !inYearRange(spec.Anchor) {
		return invalidField("anchor", "a time in the years 1 to 9999")
	}
	if !spec.Start.IsZero() && !inYearRange(spec.Start) {
		return invalidField("start", "a time in the years 1 to 9999")
	}
	if spec.End.IsZero() {
		return nil
	}
	if !inYearRange(spec.End) || !spec.End.After(spec.Start) {
		return invalidField("end", "a time after start, in the years 1 to 9999")
	}
	s.last = spec.End.Add(-time.Nanosecond).UTC().Truncate(time.Second)
	return nil
}

// Next returns the first slot after an instant, in UTC; ok is false if there is none.
func (s *Schedule) Next(after time.Time) (slot time.Time, ok bool) {
	after = after.UTC().Truncate(time.Second)
	if !s.start.IsZero() && after.Before(s.start) {
		after = s.start.Add(-time.Second)
	}
	limit := after.AddDate(searchYears, 0, 0)
	if limit.After(s.last) {
		limit = s.last
	}
	if !after.Before(limit) {
		return time.Time{}, false
	}
	return s.slots.next(after, limit)
}

// Between returns the slots in (from, to], oldest first, at most limit of them.
func (s *Schedule) Between(from, to time.Time, limit int) []time.Time {
	var slots []time.Time
	for len(slots) < limit {
		slot, ok := s.Next(from)
		if !ok || slot.After(to) {
			break
		}
		slots = append(slots, slot)
		from = slot
	}
	return slots
}

// Delay returns how long after its slot the run of schedule id starts: less than the Spec's Jitter, in whole
// milliseconds. It is derived from a hash, so that every server computes the same delay for a slot.
func (s *Schedule) Delay(id string, slot time.Time) time.Duration {
	jitter := uint64(s.jitter / time.Millisecond)
	if jitter == 0 {
		return 0
	}
	key := binary.BigEndian.AppendUint64([]byte(id), uint64(slot.Unix()))
	sum := sha256.Sum256(key)
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%jitter) * time.Millisecond
}

// CheckTimezone returns an *Error unless the name is that of a time zone; empty is UTC.
func CheckTimezone(name string) error {
	_, err := location(name)
	return err
}

func location(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, invalidField("timezone",
			"an IANA name such as Europe/Berlin, not the server's own time zone")
	}
	loc, err := time.LoadLocation(name)
	if err == nil && isOfHost(name) {
		err = errors.New("a file of the host, which others may not have")
	}
	if err != nil {
		if near := nearestZone(name); near != "" {
			err = fmt.Errorf("%w (did you mean %q?)", err, near)
		}
		return nil, &Error{"timezone", "an IANA name such as Europe/Berlin", err}
	}
	return loc, nil
}

// zoneAreas are where the database of time zones has places.
var zoneAreas = []string{"Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian",
	"Antarctica", "America/Argentina", "America/Indiana", "America/Kentucky", "America/North_Dakota"}

// nearestZone finds the zone that was meant by one in another case, or with another area or none: new york.
func nearestZone(name string) string {
	words := strings.FieldsFunc(name[strings.LastIndex(name, "/")+1:], func(r rune) bool { return r == '_' || r == ' ' })
	for i, word := range words {
		first, size := utf8.DecodeRuneInString(word)
		words[i] = string(unicode.ToUpper(first)) + strings.ToLower(word[size:])
	}
	place := strings.Join(words, "_")
	if place == "" || isOfHost(name) {
		return ""
	}
	for _, area := range zoneAreas {
		if _, err := time.LoadLocation(area + "/" + place); err == nil {
			return area + "/" + place
		}
	}
	return ""
}

// isOfHost is true for names that only some hosts have, or that mean another zone on each. Zones with leap seconds
// are a minute off by now.
func isOfHost(name string) bool {
	return name == "localtime" || name == "posixrules" || name == "Factory" || strings.HasPrefix(name, "right/") ||
		strings.HasPrefix(name, "posix/")
}

// searchYears bounds the search for a slot. The rarest rule in practice, 29 February on a given weekday, has
// gaps of up to 40 years.
const searchYears = 100

func maxTime() time.Time { return time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC) }

func inYearRange(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

func ceilSecond(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole
}
