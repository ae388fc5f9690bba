package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

func (o RunSort) byDuration() bool { return strings.HasSuffix(string(o), "duration") }

// listByDuration lists ended runs by how long they ran, from their first start to their end. No index serves this order,
// which would cost each run a write: it sorts the newest runs that match, as many as a list may look at, and says how far
// back these go where there are older ones.
func (q Reader) listByDuration(ctx context.Context, f RunFilter, page Page) ([]Run, NextPage, error) {
	order := f.Sort
	after, err := parseDuration(order, page)
	if err != nil {
		return nil, NextPage{}, err
	}
	f.Sort = NewestFirst
	f.States = endedOf(f.States)
	if len(f.States) == 0 {
		return nil, NextPage{}, nil
	}
	rows, to, err := q.newestMatching(ctx, f)
	if err != nil {
		return nil, NextPage{}, err
	}
	rows = slices.DeleteFunc(rows, func(r runRow) bool {
		return r.StartedAt == nil || r.EndedAt == nil || after != nil && order.compareDurations(durationOf(r), *after) <= 0
	})
	slices.SortFunc(rows, func(a, b runRow) int { return order.compareDurations(durationOf(a), durationOf(b)) })
	rows, cursor := database.CutPage(rows, page, order.kind(), func(r runRow) string { return durationOf(r).text() })
	runs := make([]Run, len(rows))
	for i, r := range rows {
		runs[i] = r.run()
	}
	return runs, NextPage{Cursor: cursor, SearchedTo: to}, nil
}

// endedOf are the states among some in which a run has ended; of none, all.
func endedOf(states []lifecycle.StateType) []lifecycle.StateType {
	ended := []lifecycle.StateType{lifecycle.Completed, lifecycle.Failed, lifecycle.Crashed, lifecycle.Cancelled}
	if len(states) == 0 {
		return ended
	}
	return slices.DeleteFunc(ended, func(s lifecycle.StateType) bool { return !slices.Contains(states, s) })
}

// newestMatching returns the newest runs that match, as many as may be looked at, and how far back they go if there are more.
func (q Reader) newestMatching(ctx context.Context, f RunFilter) ([]runRow, *time.Time, error) {
	s, err := q.runSearch(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	s.size = q.s.searched + 1
	sources, err := q.sources(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	all, err := q.readAll(ctx, s, sources)
	if err != nil {
		return nil, nil, err
	}
	rows := all.merged(s.sort)
	horizon := all.horizon
	if len(rows) > q.s.searched {
		rows = rows[:q.s.searched]
		last := s.sort.keyOf(rows[len(rows)-1])
		horizon = &last
	}
	if horizon == nil {
		return rows, nil, nil
	}
	to := s.sort.time(*horizon)
	return rows, &to, nil
}

// durationKey is the place of a run in an order by duration.
type durationKey struct {
	took time.Duration
	id   uuid.UUID
}

func durationOf(r runRow) durationKey {
	return durationKey{r.EndedAt.Time().Sub(r.StartedAt.Time()), r.ID}
}

func (k durationKey) text() string {
	return strconv.FormatInt(int64(k.took), 10) + "/" + k.id.String()
}

func (o RunSort) compareDurations(a, b durationKey) int {
	c := cmp.Or(cmp.Compare(a.took, b.took), bytes.Compare(a.id[:], b.id[:]))
	if o.descending() {
		return -c
	}
	return c
}

// parseDuration returns the key that a cursor was made of; nil for the first page.
func parseDuration(o RunSort, page Page) (*durationKey, error) {
	text, err := page.After(o.kind())
	if err != nil || text == "" {
		return nil, err
	}
	took, id, _ := strings.Cut(text, "/")
	ns, err := strconv.ParseInt(took, 10, 64)
	if err != nil {
		return nil, database.ForeignCursor()
	}
	key := durationKey{took: time.Duration(ns)}
	if key.id, err = uuid.Parse(id); err != nil {
		return nil, database.ForeignCursor()
	}
	return &key, nil
}
