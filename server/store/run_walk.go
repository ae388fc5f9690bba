package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// A page of a list is read from sources: each finds a part of the runs that match. No source looks at more runs than
// Options.SearchedRuns, however few of them match. A source that has looked at that many says how far it has come, its
// horizon: the page ends there, and the next one goes on from there.
const (
	searchedRuns = 2000 // by default
	// walkedPools is up to how many pools a page walks through side by side.
	walkedPools = 16
)

// listedRuns are the runs of a source that come first after the cursor, in the order of the list.
type listedRuns struct {
	rows    []runRow
	horizon *sortKey // nil: there are no more
	stuck   bool     // the next page would not come further
}

// runSource finds a part of the runs of a list: by their IDs, or walking through an index.
type runSource struct {
	ids     []uuid.UUID // nil: walk
	order   RunSort     // of the index that is walked
	leading string      // the column before these, of which one value is asked for; empty: none
	served  conditions  // by this index
	rest    conditions  // on all that it finds
	nearest bool        // runs that are not apart, found by their ID in an order by the scheduled time
}

// runSearch is what is looked for.
type runSearch struct {
	runConditions
	dialect database.Dialect
	states  []stateGroup
	sort    RunSort
	after   *sortKey // the runs past it
	size    int      // how many runs
}

func (q Reader) runSearch(ctx context.Context, f RunFilter) (runSearch, error) {
	c, err := q.runConditions(ctx, f)
	return runSearch{
		runConditions: c, dialect: q.db.Dialect(), states: stateGroups(f.States), sort: cmp.Or(f.Sort, NewestFirst),
	}, err
}

// sources plans a list.
func (q Reader) sources(ctx context.Context, s runSearch) ([]runSource, error) {
	if s.pools != nil && len(s.pools) == 0 {
		return nil, nil
	}
	if len(s.names.where) > 0 {
		ids, err := q.fewIDs(ctx, "SELECT r.id FROM runs r"+s.names.sql(), s.names.args)
		if err != nil {
			return nil, err
		}
		if ids != nil {
			return []runSource{{ids: ids, rest: s.all().with(s.where(), anyOf(s.states))}}, nil
		}
	}
	var sources []runSource
	var walked []stateGroup
	for _, group := range s.states {
		ids, err := q.idsOf(ctx, s, group)
		if err != nil {
			return nil, err
		}
		if ids != nil {
			sources = append(sources, runSource{ids: ids, rest: s.all().with(s.where(), s.names, group.where)})
			continue
		}
		walked = append(walked, group)
	}
	if len(walked) == 0 {
		return sources, nil
	}
	if !s.sort.byTime() && len(s.scheduled.where) == 0 {
		return append(sources, s.walks(walked, conditions{})...), nil
	}
	return q.addScheduled(ctx, s, sources, walked)
}

// addScheduled adds the sources of a list that has to do with the scheduled time: one of runs that are apart, and
// the walks to all others.
func (q Reader) addScheduled(
	ctx context.Context, s runSearch, sources []runSource, walked []stateGroup,
) ([]runSource, error) {
	apart := conditions{where: []string{"r.apart"}}.with(s.scheduled)
	rest := s.ids.with(s.other, s.names, s.where(), anyOf(walked))
	if s.sort.byTime() {
		sources = append(sources, runSource{order: s.sort, served: apart, rest: rest})
	} else {
		ids, err := q.fewIDs(ctx, "SELECT r.id FROM runs r"+apart.sql(), apart.args)
		if err != nil {
			return nil, err
		}
		if ids == nil { // so many that those of the walk are no better
			return append(sources, s.walks(walked, conditions{})...), nil
		}
		sources = append(sources, runSource{ids: ids, rest: rest})
	}
	s.ids = s.ids.with(s.scheduledIDs)
	near := s.walks(walked, conditions{where: []string{"NOT r.apart"}})
	for i := range near {
		near[i].nearest = s.sort.byTime()
	}
	return append(sources, near...), nil
}

// walks are the sources that read the index of the deployment, of the unsuccessful runs, of each pool or of the IDs.
func (s runSearch) walks(groups []stateGroup, more conditions) []runSource {
	var sources []runSource
	for _, group := range groups {
		rest := s.other.with(s.names, s.scheduled, more)
		add := func(column, kind string, value any, rest conditions) {
			served := conditions{[]string{s.dialect.Leading(column, kind)}, []any{value}}
			sources = append(sources, runSource{
				order: s.sort.byID(), leading: column, served: served.with(s.ids), rest: rest,
			})
		}
		switch {
		case s.deployment != nil:
			add("r.deployment_id", "uuid", *s.deployment, rest.with(s.wherePools(), group.where))
		case group.unsuccessful != "":
			add("r.unsuccessful", "text", group.unsuccessful, rest.with(s.wherePools()))
		case s.pools != nil && len(s.pools) <= walkedPools:
			for _, pool := range s.pools {
				add("r.pool_id", "uuid", pool, rest.with(group.where))
			}
		default:
			sources = append(sources, runSource{
				order: s.sort.byID(), served: s.ids, rest: rest.with(s.wherePools(), group.where),
			})
		}
	}
	return sources
}

func (s runSearch) whereDeployment() (c conditions) {
	if s.deployment != nil {
		c.add("r.deployment_id = ?", *s.deployment)
	}
	return c
}

func (s runSearch) wherePools() (c conditions) {
	if s.pools != nil {
		c.add("r.pool_id IN "+s.dialect.List("uuid"), database.ListOf(s.pools))
	}
	return c
}

// where is the deployment and the pools, for a source that neither serves.
func (s runSearch) where() conditions { return s.whereDeployment().with(s.wherePools()) }

// anyOf is the condition that a run is in one of the groups.
func anyOf(groups []stateGroup) (c conditions) {
	where := ""
	for _, group := range groups {
		if len(group.where.where) == 0 {
			return conditions{}
		}
		if where != "" {
			where += " OR "
		}
		where += group.where.where[0]
		c.args = append(c.args, group.where.args...)
	}
	c.where = []string{"(" + where + ")"}
	return c
}

// idsOf returns the runs of a group if they are few rows of ready or live, nil otherwise. Served by the indexes of these
// tables that begin with the deployment, the pool or the queue.
func (q Reader) idsOf(ctx context.Context, s runSearch, group stateGroup) ([]uuid.UUID, error) {
	if group.table == "" {
		return nil, nil
	}
	query := "SELECT t.run_id FROM " + group.table + " t"
	var where conditions
	switch {
	case s.deployment != nil:
		where.add("t.deployment_id = ?", *s.deployment)
	case s.pools == nil:
	case group.table == "live":
		where.add("t.pool_id IN "+s.dialect.List("uuid"), database.ListOf(s.pools))
	default:
		query += "\nJOIN queues q ON q.id = t.queue_id AND "
		where.add("q.pool_id IN "+s.dialect.List("uuid"), database.ListOf(s.pools))
		pools := database.ListOf(s.pools)
		return q.fewIDs(ctx, query+"NOT t.limited"+where.sql()+"\nUNION ALL\n"+query+"t.limited"+where.sql(), []any{pools, pools})
	}
	return q.fewIDs(ctx, query+where.sql(), where.args)
}

// fewIDs returns the IDs that a query finds, nil if they are too many to be sorted for a page.
func (q Reader) fewIDs(ctx context.Context, query string, args []any) ([]uuid.UUID, error) {
	ids := []uuid.UUID{}
	if err := q.db.All(ctx, &ids, query+"\nLIMIT ?", append(slices.Clone(args), q.s.searched+1)...); err != nil {
		return nil, fmt.Errorf("list the runs of an index: %w", err)
	}
	if len(ids) > q.s.searched {
		return nil, nil
	}
	return ids, nil
}

// read returns the next runs of a source.
func (q Reader) read(ctx context.Context, s runSearch, source runSource) (listedRuns, error) {
	if source.ids != nil {
		rows, err := q.runRows(ctx, s, "runs r", nil, source.rest.with(s.past(), s.among(source.ids)))
		return listedRuns{rows: rows}, err
	}
	if source.nearest {
		return q.readNearest(ctx, s, source)
	}
	source.served = source.served.with(s.past())
	most := q.s.searched
	if len(source.rest.where) == 0 {
		most = s.size
	}
	from, args := source.window(most)
	rows, err := q.runRows(ctx, s, from, args, source.rest)
	if err != nil || len(rows) >= s.size || most == s.size {
		return listedRuns{rows: rows}, err
	}
	last, err := q.keyAt(ctx, source, most-1)
	return listedRuns{rows: rows, horizon: last}, err
}

// readNearest finds runs in the order of their scheduled time by their ID, whose time is within scheduledApart of it.
// What it has not looked at comes after its horizon. Most pages need a fifth of the runs that it may look at.
func (q Reader) readNearest(ctx context.Context, s runSearch, source runSource) (listedRuns, error) {
	if s.after != nil && s.sort.descending() {
		source.served.add("r.id < ?", firstID(s.after.at.Add(scheduledApart+time.Millisecond)))
	} else if s.after != nil {
		source.served.add("r.id >= ?", firstID(s.after.at.Add(-scheduledApart)))
	}
	found, err := q.nearest(ctx, s, source, q.s.searched/5)
	if err != nil || found.horizon == nil || len(found.rows) >= s.size {
		return found, err
	}
	return q.nearest(ctx, s, source, q.s.searched)
}

// nearest looks at the first runs of a source.
func (q Reader) nearest(ctx context.Context, s runSearch, source runSource, most int) (found listedRuns, err error) {
	rest := source.rest.with(s.past())
	last, err := q.keyAt(ctx, source, most-1)
	if err != nil {
		return found, err
	}
	if last != nil {
		first, err := q.keyAt(ctx, source, 0)
		if err != nil || first == nil {
			return found, err
		}
		found.stuck = idTime(first.id).Sub(idTime(last.id)).Abs() <= 2*scheduledApart
		if s.sort.descending() {
			found.horizon = &sortKey{idTime(last.id).Add(scheduledApart), uuid.Max}
			rest.add("r.scheduled_time > ?", database.Time(found.horizon.at))
		} else {
			found.horizon = &sortKey{idTime(last.id).Add(-scheduledApart), uuid.Nil}
			rest.add("r.scheduled_time < ?", database.Time(found.horizon.at))
		}
	}
	from, args := source.window(most)
	found.rows, err = q.runRows(ctx, s, from, args, rest)
	return found, err
}

// past is the condition that a run comes after the cursor.
func (s runSearch) past() (c conditions) {
	if s.after != nil {
		where, args := s.sort.past(*s.after)
		c.add(where, args...)
	}
	return c
}

func (s runSearch) among(ids []uuid.UUID) (c conditions) {
	c.add("r.id IN "+s.dialect.List("uuid"), database.ListOf(ids))
	return c
}

// window is the first runs of an index as r, with its arguments.
func (o runSource) window(most int) (from string, args []any) {
	return "(SELECT r.* FROM runs r" + o.served.sql() + o.inOrder() + "\nLIMIT ?) AS r", append(slices.Clone(o.served.args), most)
}

// inOrder names all columns of the index, also the one of which there is one value: PostgreSQL would otherwise read the
// IDs of all pools where it takes a pool for a frequent one, though its runs may be at the other end.
func (o runSource) inOrder() string {
	if o.leading == "" {
		return "\nORDER BY " + o.order.order()
	}
	if o.order.descending() {
		return "\nORDER BY " + o.leading + " DESC, " + o.order.order()
	}
	return "\nORDER BY " + o.leading + ", " + o.order.order()
}

// runRows reads the first runs of a table or subquery r with arguments.
func (q Reader) runRows(
	ctx context.Context, s runSearch, from string, args []any, rest conditions,
) ([]runRow, error) {
	var rows []runRow
	query := runColumns + "\nFROM " + from + "\n" + listedStatesSQL(s.dialect) + rest.sql() + "\nORDER BY " + s.sort.order() + "\nLIMIT ?"
	if err := q.db.All(ctx, &rows, query, append(slices.Concat(args, rest.args), s.size)...); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return rows, nil
}

// keyAt returns the place of the nth run of an index, from 0 on; nil if it has fewer.
func (q Reader) keyAt(ctx context.Context, source runSource, n int) (*sortKey, error) {
	var rows []struct {
		ID uuid.UUID     `db:"id"`
		At database.Time `db:"scheduled_time"`
	}
	columns := "r.id"
	if source.order.byTime() {
		columns += ", r.scheduled_time"
	}
	query := "SELECT " + columns + " FROM runs r" + source.served.sql() +
		source.inOrder() + "\nLIMIT 1\nOFFSET ?"
	if err := q.db.All(ctx, &rows, query, append(slices.Clone(source.served.args), n)...); err != nil {
		return nil, fmt.Errorf("find how far a list has come: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	key := sortKey{id: rows[0].ID}
	if source.order.byTime() {
		key.at = rows[0].At.Time()
	}
	return &key, nil
}
