package store

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// RunSort is the order of a list of runs.
type RunSort string

// The orders.
const (
	NewestFirst      RunSort = "-created" // by id, which is in the order of their creation
	OldestFirst      RunSort = "created"
	LatestDueFirst   RunSort = "-scheduled"
	EarliestDueFirst RunSort = "scheduled"
	LongestFirst     RunSort = "-duration" // of the runs that have ended, see listByDuration
	ShortestFirst    RunSort = "duration"
)

func (o RunSort) descending() bool { return strings.HasPrefix(string(o), "-") }

func (o RunSort) byTime() bool { return strings.HasSuffix(string(o), "scheduled") }

// sortKey is the place of a run in a list.
type sortKey struct {
	at time.Time // the scheduled time, in an order by it
	id uuid.UUID
}

func (o RunSort) keyOf(r runRow) sortKey {
	if o.byTime() {
		return sortKey{r.ScheduledTime.Time(), r.ID}
	}
	return sortKey{id: r.ID}
}

// compare is negative where a comes before b.
func (o RunSort) compare(a, b sortKey) int {
	c := a.at.Compare(b.at)
	if c == 0 {
		c = bytes.Compare(a.id[:], b.id[:])
	}
	if o.descending() {
		return -c
	}
	return c
}

// past is the condition that the run r comes after a key.
func (o RunSort) past(k sortKey) (string, []any) {
	than := " > "
	if o.descending() {
		than = " < "
	}
	if o.byTime() {
		return "(r.scheduled_time, r.id)" + than + "(?, ?)", []any{database.Time(k.at), k.id}
	}
	return "r.id" + than + "?", []any{k.id}
}

// order is the ORDER BY of the run r.
func (o RunSort) order() string {
	direction := ""
	if o.descending() {
		direction = " DESC"
	}
	if o.byTime() {
		return "r.scheduled_time" + direction + ", r.id" + direction
	}
	return "r.id" + direction
}

// byID is the order by id in the same direction.
func (o RunSort) byID() RunSort {
	if o.descending() {
		return NewestFirst
	}
	return OldestFirst
}

// kind is what cursors of the order are of: that of one order does not go on in another.
func (o RunSort) kind() string {
	if o == NewestFirst {
		return "run"
	}
	return "run" + string(o)
}

func (o RunSort) text(k sortKey) string {
	if o.byTime() {
		return strconv.FormatInt(k.at.UnixMicro(), 10) + "/" + k.id.String()
	}
	return k.id.String()
}

// parse returns the key that a cursor was made of; nil for the first page.
func (o RunSort) parse(page Page) (*sortKey, error) {
	text, err := page.After(o.kind())
	if err != nil || text == "" {
		return nil, err
	}
	var key sortKey
	if o.byTime() {
		at, id, _ := strings.Cut(text, "/")
		us, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return nil, database.ForeignCursor()
		}
		key.at, text = time.UnixMicro(us).UTC(), id
	}
	if key.id, err = uuid.Parse(text); err != nil {
		return nil, database.ForeignCursor()
	}
	return &key, nil
}

// time is up to when a list has come that has come to a key.
func (o RunSort) time(k sortKey) time.Time {
	if o.byTime() {
		return k.at
	}
	return idTime(k.id)
}

// scheduledApart bounds how far the scheduled time of most runs is from the time of their ID. Those of which it is
// further have an index by their scheduled time; the others are found by their ID.
const scheduledApart = 10 * time.Minute

func isApart(id uuid.UUID, scheduled time.Time) bool {
	return scheduled.Sub(idTime(id)).Abs() > scheduledApart
}
