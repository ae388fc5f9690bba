package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// RunCounts are numbers of runs by state.
type RunCounts struct {
	States map[lifecycle.StateType]int64
	// AtLeast is set where there may be more runs than were counted.
	AtLeast bool
}

func (c *RunCounts) add(other RunCounts) {
	for state, n := range other.States {
		c.States[state] += n
	}
	c.AtLeast = c.AtLeast || other.AtLeast
}

// countedRows is how many rows of ready and live are counted one by one.
const countedRows = 50_000

// CountRuns counts the runs that match a filter. Where these are too many to be looked at, it reads run_counts, which
// knows nothing of tags, texts, names, callers, schedules, causes and scheduled times: a filter by one of these counts what it
// looks at.
func (q Reader) CountRuns(ctx context.Context, f RunFilter) (RunCounts, error) {
	f.Sort = NewestFirst
	looked := len(f.Tags)+len(f.AnyTags)+len(f.Categories) > 0 || f.CreatedBy+f.Schedule != "" || f.Text != "" || f.Name != "" || f.NamePrefix != "" || f.IDPrefix != "" ||
		f.Scheduled != TimeRange{} || (f.Created != TimeRange{} && f.Ended != TimeRange{})
	if !looked && (f.Created == TimeRange{}) && (f.Ended == TimeRange{}) {
		return q.countAll(ctx, f)
	}
	counts, err := q.countLooking(ctx, f)
	if err != nil || looked || !counts.AtLeast {
		return counts, err
	}
	return q.countRange(ctx, f)
}

// countLooking counts the runs that a page of a list would look at.
func (q Reader) countLooking(ctx context.Context, f RunFilter) (RunCounts, error) {
	counts := RunCounts{States: map[lifecycle.StateType]int64{}}
	s, err := q.runSearch(ctx, f)
	if err != nil {
		return counts, err
	}
	sources, err := q.sources(ctx, s)
	if err != nil {
		return counts, err
	}
	for _, source := range sources {
		found, err := q.countSource(ctx, s, source)
		if err != nil {
			return counts, err
		}
		counts.add(found)
	}
	return counts, nil
}

func (q Reader) countSource(ctx context.Context, s runSearch, source runSource) (RunCounts, error) {
	from, args, rest := "runs r", []any(nil), source.rest
	var last *sortKey
	if source.ids != nil {
		rest = rest.with(s.among(source.ids))
	} else {
		var err error
		if last, err = q.keyAt(ctx, source, q.s.searched-1); err != nil {
			return RunCounts{}, err
		}
		from, args = source.window(q.s.searched)
	}
	query := "SELECT " + runStateTypeSQL + " AS state_type, COUNT(*) AS n FROM " + from + "\n" +
		listedStatesSQL(s.dialect) + rest.sql() + "\nGROUP BY 1"
	counts, err := q.countRows(ctx, nil, query, slices.Concat(args, rest.args))
	counts.AtLeast = last != nil
	return counts, err
}

// countRows runs a query of states and numbers. Without states all count.
func (q Reader) countRows(
	ctx context.Context, states []lifecycle.StateType, query string, args []any,
) (RunCounts, error) {
	counts := RunCounts{States: map[lifecycle.StateType]int64{}}
	var rows []struct {
		State lifecycle.StateType `db:"state_type"`
		N     int64               `db:"n"`
	}
	if err := q.db.All(ctx, &rows, query, args...); err != nil {
		return counts, fmt.Errorf("count runs: %w", err)
	}
	for _, row := range rows {
		if row.N != 0 && (len(states) == 0 || slices.Contains(states, row.State)) {
			counts.States[row.State] = row.N
		}
	}
	return counts, nil
}

// countAll counts without a time range.
func (q Reader) countAll(ctx context.Context, f RunFilter) (RunCounts, error) {
	s, err := q.runSearch(ctx, f)
	if err != nil {
		return RunCounts{}, err
	}
	query := countQuery{s: s, queue: f.Queue}
	if s.deployment != nil {
		query.addEnded(spanHour, conditions{})
	} else {
		query.addEnded(spanAll, conditions{})
	}
	query.addChanges(conditions{})
	query.addUnfinished()
	counts, err := q.countRows(ctx, f.States, query.sql(), query.args)
	var live int64
	for state, n := range counts.States {
		if placeOf(state) == inLive {
			live += n
		}
	}
	counts.AtLeast = counts.States[lifecycle.Scheduled] >= countedRows || live >= countedRows
	return counts, err
}

// countRange counts in a range of the time of creation or of the end: whole hours by run_counts, and what it looks at of
// the rest.
func (q Reader) countRange(ctx context.Context, f RunFilter) (RunCounts, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return RunCounts{}, err
	}
	s, err := q.runSearch(ctx, f)
	if err != nil {
		return RunCounts{}, err
	}
	column, span := "t.created", &f.Created
	if (f.Ended != TimeRange{}) {
		column, span = "t.ended", &f.Ended
	}
	hours, edges := wholeHours(*span, now)
	if hours.isEmpty() {
		return q.countLooking(ctx, f)
	}
	query := countQuery{s: s, queue: f.Queue}
	query.addHours(column, hours)
	counts, err := q.countRows(ctx, f.States, query.sql(), query.args)
	if err != nil {
		return counts, err
	}

	ended, unfinished := splitStates(f.States)
	look := func(states []lifecycle.StateType, within TimeRange) error {
		if len(states) == 0 {
			return nil
		}
		part := f
		part.States = states
		if f.Ended != (TimeRange{}) {
			part.Ended = within
		} else {
			part.Created = within
		}
		more, err := q.countLooking(ctx, part)
		counts.add(more)
		return err
	}
	for _, edge := range edges {
		if err := look(ended, edge); err != nil {
			return counts, err
		}
	}
	if (f.Ended != TimeRange{}) {
		return counts, nil
	}
	return counts, look(unfinished, *span)
}

// splitStates parts states, all without any, into those of runs that have ended and others.
func splitStates(states []lifecycle.StateType) (ended, unfinished []lifecycle.StateType) {
	if len(states) == 0 {
		states = []lifecycle.StateType{
			lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running, lifecycle.Cancelling, lifecycle.Completed,
			lifecycle.Failed, lifecycle.Crashed, lifecycle.Cancelled,
		}
	}
	for _, state := range states {
		if state.Terminal() {
			ended = append(ended, state)
		} else {
			unfinished = append(unfinished, state)
		}
	}
	return ended, unfinished
}

// hourRange is from an hour on, before another, counted from 1970; nil is no bound.
type hourRange struct{ from, before *int64 }

func (r hourRange) isEmpty() bool { return r.from != nil && r.before != nil && *r.from >= *r.before }

// wholeHours returns the hours that are all within a range, and what is left of it at either end.
func wholeHours(span TimeRange, now time.Time) (hours hourRange, edges []TimeRange) {
	if at := span.After; at != nil {
		from := (at.Unix() + secondsPerHour - 1) / secondsPerHour
		if at.Nanosecond() > 0 && at.Unix()%secondsPerHour == 0 {
			from++
		}
		if start := time.Unix(from*secondsPerHour, 0).UTC(); start.After(*at) {
			edges = append(edges, TimeRange{After: at, Before: &start})
		}
		hours.from = &from
	}
	if at := span.Before; at != nil && at.Before(now.Add(idSlack)) {
		before := at.Unix() / secondsPerHour
		if start := time.Unix(before*secondsPerHour, 0).UTC(); start.Before(*at) {
			edges = append(edges, TimeRange{After: &start, Before: at})
		}
		hours.before = &before
	}
	return hours, edges
}

// days returns the whole days in a range of hours, as hours, and the hours before and after them.
func (r hourRange) days() (days hourRange, rest []hourRange) {
	if r.from != nil {
		first := (*r.from + spanDay - 1) / spanDay * spanDay
		days.from = &first
	}
	if r.before != nil {
		last := *r.before / spanDay * spanDay
		days.before = &last
	}
	if days.isEmpty() {
		return days, []hourRange{r}
	}
	if r.from != nil {
		rest = append(rest, hourRange{r.from, days.from})
	}
	if r.before != nil {
		rest = append(rest, hourRange{days.before, r.before})
	}
	return days, rest
}

func (r hourRange) where(column string) (c conditions) {
	if r.from != nil {
		c.add(column+" >= ?", *r.from)
	}
	if r.before != nil {
		c.add(column+" < ?", *r.before)
	}
	return c
}

// countQuery is a query of states and numbers in parts, which are read at one moment.
type countQuery struct {
	s     runSearch
	queue string
	parts []string
	args  []any
}

func (c *countQuery) add(part string, where conditions, more ...any) {
	c.parts, c.args = append(c.parts, part), append(append(c.args, where.args...), more...)
}

func (c *countQuery) sql() string {
	return "SELECT state_type, CAST(SUM(n) AS BIGINT) AS n\nFROM (\n" + strings.Join(c.parts, "\nUNION ALL\n") +
		"\n) AS c\nGROUP BY state_type"
}

// where is what the filter asks of a row t.
func (c *countQuery) where() (where conditions) {
	if c.s.deployment != nil {
		where.add("t.deployment_id = ?", *c.s.deployment)
	}
	if c.s.pools != nil {
		where.add("t.pool_id IN "+c.s.dialect.List("uuid"), database.ListOf(c.s.pools))
	}
	if c.queue != "" {
		where.add("t.queue_id IN (SELECT id FROM queues WHERE name = ?)", c.queue)
	}
	return where
}

// addEnded adds rows of run_counts. Served by its primary key, and by run_counts_ended.
func (c *countQuery) addEnded(span int, hours conditions) {
	where := c.ofSpan(span, hours)
	c.add("SELECT t.state_type, t.n FROM run_counts t"+where.sql(), where)
}

// ofSpan is what the filter asks of a row t of run_counts.
func (c *countQuery) ofSpan(span int, hours conditions) conditions {
	where := conditions{where: []string{fmt.Sprintf("t.span = %d", span)}}
	if c.s.deployment == nil {
		where.add("t.deployment_id = '" + uuid.Nil.String() + "'")
	}
	return where.with(hours, c.where())
}

// addChanges adds what has not come to run_counts yet.
func (c *countQuery) addChanges(hours conditions) {
	where := hours.with(c.where())
	c.add("SELECT t.state_type, t.n FROM run_count_changes t"+where.sql(), where)
}

// addHours adds a range of hours.
func (c *countQuery) addHours(column string, hours hourRange) {
	rest := []hourRange{hours}
	if c.s.deployment == nil {
		var days hourRange
		if days, rest = hours.days(); !days.isEmpty() {
			c.addEnded(spanDay, days.where(column))
		}
	}
	for _, some := range rest {
		c.addEnded(spanHour, some.where(column))
	}
	c.addChanges(hours.where(column))
}

// addUnfinished counts rows of ready and live, up to countedRows of each. Served by the indexes that begin with the
// deployment, the queue or the pool.
func (c *countQuery) addUnfinished() {
	where := c.where()
	c.add("SELECT k.state_type, COUNT(*) FROM (SELECT t.state_type FROM live t"+where.sql()+" LIMIT ?) AS k GROUP BY 1",
		where, countedRows)
	ready := "SELECT 1 AS one FROM ready t" + where.sql()
	if c.s.pools != nil && c.s.deployment == nil {
		join := "SELECT 1 AS one FROM ready t JOIN queues q ON q.id = t.queue_id AND q.pool_id = t.pool_id AND "
		ready = join + "NOT t.limited" + where.sql() + "\nUNION ALL\n" + join + "t.limited" + where.sql()
		where = where.with(where)
	}
	c.add("SELECT 'SCHEDULED', COUNT(*) FROM (SELECT one FROM ("+ready+") AS l LIMIT ?) AS k", where, countedRows)
}
