package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// RunFilter narrows a list of runs; empty fields do not.
type RunFilter struct {
	Pool       string
	Pools      []string // any of these, beside Pool; nil: all
	Queue      string   // by name, of any pool without Pool
	Deployment string
	States     []lifecycle.StateType
	Tags       []string // all of them
	Name       string   // exactly
	NamePrefix string   // prefix of the name
	IDPrefix   string   // hexadecimal digits, dashes or not
	// Text is looked for in name and message of the state, whatever its case, and is the beginning of an id.
	Text      string
	Created   TimeRange
	Scheduled TimeRange
	Ended     TimeRange
	Sort      RunSort // of a list; empty: NewestFirst
}

// TimeRange is a time from After on, before Before; nil is no bound.
type TimeRange struct{ After, Before *time.Time }

// RunSort is the order of a list of runs.
type RunSort string

// The orders.
const (
	NewestFirst      RunSort = "-created" // by id, which is in the order of their creation
	OldestFirst      RunSort = "created"
	LatestDueFirst   RunSort = "-scheduled"
	EarliestDueFirst RunSort = "scheduled"
)

func (o RunSort) descending() bool { return strings.HasPrefix(string(o), "-") }

func (o RunSort) byTime() bool { return strings.HasSuffix(string(o), "scheduled") }

// ListRuns lists the runs that match the filter, in its order, without parameters and job variables.
func (q Reader) ListRuns(ctx context.Context, f RunFilter, page Page) ([]Run, string, error) {
	c, err := q.runFilter(ctx, f)
	if err != nil {
		return nil, "", err
	}

	sort := cmp.Or(f.Sort, NewestFirst)
	past, order := sort.keyset()
	kind := "run" // the order of a cursor is part of its kind
	if sort != NewestFirst {
		kind += string(sort)
	}
	last, err := page.After(kind)
	if err != nil {
		return nil, "", err
	}
	if last != "" {
		keys, err := sort.parse(last)
		if err != nil {
			return nil, "", err
		}
		c.add(past, keys...)
	}
	var rows []runRow
	for _, group := range stateGroups(f.States) {
		found, err := q.runsOf(ctx, c, group, order, page.Size()+1)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, found...)
	}
	slices.SortStableFunc(rows, sort.compare)
	rows, next := database.CutPage(rows[:min(len(rows), page.Size()+1)], page, kind, sort.key)
	runs := make([]Run, len(rows))
	for i, r := range rows {
		runs[i] = r.run()
	}
	return runs, next, nil
}

// runsOf lists the first runs of one group of states.
func (q Reader) runsOf(ctx context.Context, c conditions, group stateGroup, order string, most int) ([]runRow, error) {
	where := slices.Concat(c.where, group.where)
	query := listedRunSQL
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	var rows []runRow
	if err := q.db.All(ctx, &rows, query+order, append(slices.Concat(c.args, group.args), most)...); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return rows, nil
}

// compare orders runs as the database does.
func (o RunSort) compare(a, b runRow) int {
	c := 0
	if o.byTime() {
		c = a.ScheduledTime.Time().Compare(b.ScheduledTime.Time())
	}
	if c == 0 {
		c = slices.Compare(a.ID[:], b.ID[:])
	}
	if o.descending() {
		return -c
	}
	return c
}

// keyset is the condition for what follows a key, and the order.
func (o RunSort) keyset() (past, order string) {
	than, direction := ">", ""
	if o.descending() {
		than, direction = "<", " DESC"
	}
	if o.byTime() {
		return "(r.scheduled_time, r.id) " + than + " (?, ?)", " ORDER BY r.scheduled_time" + direction + ", r.id" + direction + " LIMIT ?"
	}
	return "r.id " + than + " ?", " ORDER BY r.id" + direction + " LIMIT ?"
}

func (o RunSort) key(r runRow) string {
	if o.byTime() {
		return strconv.FormatInt(r.ScheduledTime.Time().UnixMicro(), 10) + "/" + r.ID.String()
	}
	return r.ID.String()
}

func (o RunSort) parse(key string) ([]any, error) {
	other := database.ForeignCursor()
	at, text, timed := strings.Cut(key, "/")
	if !timed {
		text = at
	}
	id, err := uuid.Parse(text)
	if err != nil || timed != o.byTime() {
		return nil, other
	}
	if !timed {
		return []any{id}, nil
	}
	us, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, other
	}
	return []any{database.Time(time.UnixMicro(us).UTC()), id}, nil
}

// CountRuns counts runs by state.
func (q Reader) CountRuns(ctx context.Context, f RunFilter) (map[lifecycle.StateType]int64, error) {
	c, err := q.runFilter(ctx, f)
	if err != nil {
		return nil, err
	}
	counts := map[lifecycle.StateType]int64{}
	for _, group := range stateGroups(f.States) {
		query := "SELECT " + runStateTypeSQL + " AS state_type, COUNT(*) AS n FROM runs r " + stateJoinsSQL
		if where := slices.Concat(c.where, group.where); len(where) > 0 {
			query += " WHERE " + strings.Join(where, " AND ")
		}
		var rows []struct {
			State lifecycle.StateType `db:"state_type"`
			N     int64               `db:"n"`
		}
		if err := q.db.All(ctx, &rows, query+" GROUP BY 1", slices.Concat(c.args, group.args)...); err != nil {
			return nil, fmt.Errorf("count runs: %w", err)
		}
		for _, row := range rows {
			counts[row.State] = row.N
		}
	}
	return counts, nil
}

// conditions gathers what a query asks for.
type conditions struct {
	where []string
	args  []any
}

func (c *conditions) add(condition string, args ...any) {
	c.where, c.args = append(c.where, condition), append(c.args, args...)
}

// runFilter resolves names first, so that a list is served by the index of that pool or deployment.
func (q Reader) runFilter(ctx context.Context, f RunFilter) (c conditions, err error) {
	if err := q.wherePools(ctx, &c, f); err != nil {
		return c, err
	}
	if f.Deployment != "" {
		d, err := q.deployment(ctx, f.Deployment)
		if err != nil {
			return c, err
		}
		c.add("r.deployment_id = ?", d.ID)
	}
	if f.Queue != "" {
		c.add("r.queue_id IN (SELECT id FROM queues WHERE name = ?)", f.Queue)
	}
	for _, tag := range f.Tags {
		c.add(q.db.Dialect().Contains("r.tags"), tag)
	}
	if f.Name != "" {
		c.add("r.name = ?", f.Name)
	}
	if f.NamePrefix != "" {
		c.addNamePrefix(f.NamePrefix, q.db.Dialect())
	}
	if f.IDPrefix != "" {
		first, last, err := idRange(f.IDPrefix)
		if err != nil {
			return c, err
		}
		c.add("r.id BETWEEN ? AND ?", first, last)
	}
	if f.Text != "" {
		pattern := contains(f.Text)
		c.add(
			`(LOWER(r.name) LIKE ? ESCAPE '\' OR LOWER(COALESCE(w.state_message, l.state_message, r.state_message)) LIKE ? ESCAPE '\' OR CAST(r.id AS TEXT) LIKE ? ESCAPE '\')`,
			pattern,
			pattern,
			pattern[1:],
		)
	}
	c.addCreated(f.Created, q.db.ClockOffset())
	for column, span := range map[string]TimeRange{"r.created_at": f.Created, "r.scheduled_time": f.Scheduled, "r.ended_at": f.Ended} {
		if span.After != nil {
			c.add(column+" >= ?", *database.TimeOf(span.After))
		}
		if span.Before != nil {
			c.add(column+" < ?", *database.TimeOf(span.Before))
		}
	}
	return c, nil
}

// stateGroup is what runs of some states have in common, as a condition on runSQL that an index serves.
type stateGroup = conditions

// stateGroups returns a group for each index: a list of several groups is merged from the list of each. No states are
// all of them, in one group.
func stateGroups(states []lifecycle.StateType) []stateGroup {
	if len(states) == 0 {
		return []stateGroup{{}}
	}
	var groups []stateGroup
	live := stateGroup{}
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		switch {
		case state == lifecycle.Scheduled:
			groups = append(groups, stateGroup{where: []string{"w.run_id IS NOT NULL"}})
		case state == lifecycle.Completed:
			groups = append(groups, stateGroup{where: []string{"r.state_type = ?"}, args: []any{state}})
		case state.Terminal():
			groups = append(groups, stateGroup{where: []string{"r.unsuccessful = ?"}, args: []any{state}})
		default:
			live.args = append(live.args, state)
		}
	}
	if n := len(live.args); n > 0 {
		live.where = []string{"l.state_type IN (?" + strings.Repeat(", ?", n-1) + ")"}
		groups = append(groups, live)
	}
	return groups
}

// addNamePrefix asks for names that begin with a text. Served by runs_name.
func (c *conditions) addNamePrefix(prefix string, d database.Dialect) {
	from, to := ">=", "<"
	if d == database.Postgres { // byte by byte, whatever the database sorts by
		from, to = "~>=~", "~<~"
	}
	c.add("r.name "+from+" ?", prefix)
	if after, ok := following(prefix); ok {
		c.add("r.name "+to+" ?", after)
	}
}

// following is the first text, byte by byte, after all that begin with a prefix. There is none after the last
// character.
func following(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		next := runes[i] + 1
		if next == 0xD800 { // no characters
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return string(append(runes[:i:i], next)), true
		}
	}
	return "", false
}

// addCreated restricts the IDs to a time range, so that the query does not read all runs since. Served by the
// primary key and by runs_pool and runs_deployment.
func (c *conditions) addCreated(created TimeRange, offset time.Duration) {
	if created.After != nil {
		c.add("r.id >= ?", firstID(created.After.Add(-idSlack-offset)))
	}
	if created.Before != nil {
		c.add("r.id < ?", firstID(created.Before.Add(idSlack)))
	}
}

// idRange is what ids that begin with some digits lie between. Served by the primary key.
func idRange(prefix string) (first, last uuid.UUID, err error) {
	digits := strings.ReplaceAll(prefix, "-", "")
	if n := 2*len(first) - len(digits); n >= 0 {
		first, err = uuid.Parse(digits + strings.Repeat("0", n))
		if err == nil {
			last, err = uuid.Parse(digits + strings.Repeat("f", n))
		}
		if err == nil {
			return first, last, nil
		}
	}
	return first, last, &Error{Code: NotFound, Message: fmt.Sprintf("no id begins with %q", prefix)}
}

func (q Reader) wherePools(ctx context.Context, c *conditions, f RunFilter) error {
	if f.Pool != "" {
		id, err := q.poolRef(ctx, f.Pool)
		if err != nil {
			return err
		}
		c.add("r.pool_id = ?", id)
	}
	if f.Pools == nil {
		return nil
	}
	list := database.ListOf(f.Pools)
	c.add("r.pool_id IN (SELECT id FROM pools WHERE deleted_at IS NULL AND name IN "+q.db.Dialect().List("text")+")", list)
	return nil
}

// contains is the LIKE pattern of what contains a text, in lower case.
func contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text)) + "%"
}
