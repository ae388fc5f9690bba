package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// NextPage is what follows a page of a list that is searched.
type NextPage struct {
	Cursor string // empty: nothing
	// SearchedTo is set where a page is not full because few match: up to when the list was searched, by the time of its
	// order.
	SearchedTo *time.Time
}

// ListRuns lists the runs that match the filter, in its order, without parameters and job variables. It looks at a
// limited number of runs. A list by the scheduled time is refused with ListTooLong where that is too few for one page.
func (q Reader) ListRuns(ctx context.Context, f RunFilter, page Page) ([]Run, NextPage, error) {
	sort := cmp.Or(f.Sort, NewestFirst)
	if sort.byDuration() {
		return q.listByDuration(ctx, f, page)
	}
	after, err := sort.parse(page)
	if err != nil {
		return nil, NextPage{}, err
	}
	s, err := q.runSearch(ctx, f)
	if err != nil {
		return nil, NextPage{}, err
	}
	s.after, s.size = after, page.Size()+1
	sources, err := q.sources(ctx, s)
	if err != nil {
		return nil, NextPage{}, err
	}
	all, err := q.readAll(ctx, s, sources)
	if err != nil {
		return nil, NextPage{}, err
	}
	rows, next := all.cut(sort, page)
	if all.stuck && next.SearchedTo != nil {
		return nil, NextPage{}, tooManyAtOnce(q.s.searched, *next.SearchedTo)
	}
	runs := make([]Run, len(rows))
	for i, r := range rows {
		runs[i] = r.run()
	}
	return runs, next, nil
}

// readAll reads the next runs of all sources.
func (q Reader) readAll(ctx context.Context, s runSearch, sources []runSource) (listedRuns, error) {
	var all listedRuns
	for _, source := range sources {
		found, err := q.read(ctx, s, source)
		if err != nil {
			return all, err
		}
		all.rows = append(all.rows, found.rows...)
		if found.horizon != nil && (all.horizon == nil || s.sort.compare(*found.horizon, *all.horizon) < 0) {
			all.horizon, all.stuck = found.horizon, found.stuck
		}
	}
	return all, nil
}

// merged are the runs that were found, in order, up to the horizon.
func (l listedRuns) merged(sort RunSort) []runRow {
	rows := l.rows
	slices.SortFunc(rows, func(a, b runRow) int { return sort.compare(sort.keyOf(a), sort.keyOf(b)) })
	// A run that moved to another table between two queries may have been found in both.
	rows = slices.CompactFunc(rows, func(a, b runRow) bool { return a.ID == b.ID })
	if l.horizon != nil {
		rows = slices.DeleteFunc(rows, func(r runRow) bool { return sort.compare(sort.keyOf(r), *l.horizon) > 0 })
	}
	return rows
}

// cut merges what the sources have found into a page.
func (l listedRuns) cut(sort RunSort, page Page) ([]runRow, NextPage) {
	rows := l.merged(sort)
	if len(rows) > page.Size() || l.horizon == nil {
		rows, cursor := database.CutPage(rows, page, sort.kind(), func(r runRow) string { return sort.text(sort.keyOf(r)) })
		return rows, NextPage{Cursor: cursor}
	}
	to := sort.time(*l.horizon)
	return rows, NextPage{Cursor: database.NewCursor(sort.kind(), sort.text(*l.horizon)), SearchedTo: &to}
}

func tooManyAtOnce(searched int, at time.Time) error {
	return &Error{Code: ListTooLong, Message: fmt.Sprintf(
		"more than %d runs were made around %s, too many to sort by their scheduled time: filter by deployment, pool or "+
			"name, or sort by the time of creation", searched, at.Format(time.RFC3339))}
}
