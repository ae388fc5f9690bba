package store

import (
	"context"
	"fmt"
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
	AnyTags    []string // any of these, beside Tags
	Categories []lifecycle.Category
	CreatedBy  string // exactly
	Schedule   string // by name, of any deployment without Deployment
	Name       string // exactly
	NamePrefix string // prefix of the name
	IDPrefix   string // hexadecimal digits, dashes or not
	// Text is looked for in name and message of the state, whatever its case, and is the beginning of an id.
	Text      string
	Created   TimeRange
	Scheduled TimeRange
	Ended     TimeRange
	Sort      RunSort // of a list; empty: NewestFirst
}

// TimeRange is a time from After on, before Before; nil is no bound.
type TimeRange struct{ After, Before *time.Time }

// runConditions is a filter with its names resolved.
type runConditions struct {
	deployment *uuid.UUID
	pools      []uuid.UUID // nil: all
	ids        conditions  // bounds of the ID, which every index of lists serves
	names      conditions  // served by runs_name
	other      conditions  // served by no index
	scheduled  conditions  // the range of the scheduled time
	// scheduledIDs are the bounds of the ID of runs in that range that are not apart.
	scheduledIDs conditions
}

// all are the conditions on every run, whatever index finds it. What says which pool, deployment or name is not
// among them.
func (c runConditions) all() conditions { return c.ids.with(c.other, c.scheduled) }

func (q Reader) runConditions(ctx context.Context, f RunFilter) (c runConditions, err error) {
	if c.pools, err = q.filterPools(ctx, f); err != nil {
		return c, err
	}
	if f.Deployment != "" {
		d, err := q.deployment(ctx, f.Deployment)
		if err != nil {
			return c, err
		}
		c.deployment = &d.ID
	}
	if f.Queue != "" {
		c.other.add("r.queue_id IN (SELECT id FROM queues WHERE name = ?)", f.Queue)
	}
	dialect := q.db.Dialect()
	for _, tag := range f.Tags {
		if err := c.addTag(tag, dialect); err != nil {
			return c, err
		}
	}
	if err := c.addAnyTag(f.AnyTags, dialect); err != nil {
		return c, err
	}
	if len(f.Categories) > 0 {
		c.other.add("r.category IN "+dialect.List("text"), database.ListOf(f.Categories))
	}
	if f.CreatedBy != "" {
		c.other.add("r.created_by = ?", f.CreatedBy)
	}
	if f.Schedule != "" { // by the primary key: many deployments have a schedule of the same name
		c.other.add("EXISTS (SELECT 1 FROM schedules s WHERE s.id = r.schedule_id AND s.name = ?)", f.Schedule)
	}
	if f.Name != "" {
		c.names.add("r.name = ?", f.Name)
	}
	if f.NamePrefix != "" {
		c.names.addNamePrefix(f.NamePrefix, dialect)
	}
	if f.IDPrefix != "" {
		first, last, err := idRange(f.IDPrefix)
		if err != nil {
			return c, err
		}
		c.ids.add("r.id BETWEEN ? AND ?", first, last)
	}
	if f.Text != "" {
		c.addText(f.Text)
	}
	c.addTimes(f)
	if f.Ended.After != nil {
		return c, q.addEndedAfter(ctx, &c, *f.Ended.After)
	}
	return c, nil
}

// addEndedAfter restricts the IDs to runs created since the first of all that have ended since a time.
func (q Reader) addEndedAfter(ctx context.Context, c *runConditions, at time.Time) error {
	first, err := q.firstHourOfEnded(ctx, at)
	if err != nil {
		return err
	}
	if first == nil {
		c.ids.add("1 = 0")
		return nil
	}
	created := time.Unix(*first*secondsPerHour, 0)
	c.ids.add("r.id >= ?", firstID(created.Add(-idSlack)))
	return nil
}

// addTag asks for runs with a tag.
func (c *runConditions) addTag(tag string, d database.Dialect) error {
	where, args, err := hasTag(tag, d)
	c.other.add(where, args...)
	return err
}

// addAnyTag asks for runs with any of some tags; none ask for nothing.
func (c *runConditions) addAnyTag(tags []string, d database.Dialect) error {
	if len(tags) == 0 {
		return nil
	}
	var any conditions
	for _, tag := range tags {
		where, args, err := hasTag(tag, d)
		if err != nil {
			return err
		}
		any.add("("+where+")", args...)
	}
	c.other.add("("+strings.Join(any.where, " OR ")+")", any.args...)
	return nil
}

// hasTag is the condition that a run has a tag. Nearly all others are told by the text of their tags, without reading the
// list.
func hasTag(tag string, d database.Dialect) (where string, args []any, err error) {
	list, err := database.StringsOf([]string{tag}).Text()
	if err != nil {
		return "", nil, fmt.Errorf("filter by tag %q: %w", tag, err)
	}
	return d.Position("r.tags") + " > 0 AND " + d.Contains("r.tags"), []any{strings.Trim(list, "[]"), tag}, nil
}

func (c *runConditions) addText(text string) {
	pattern := contains(text)
	where := `LOWER(r.name) LIKE ? ESCAPE '\' OR LOWER(COALESCE(w.state_message, l.state_message, r.state_message)) LIKE ? ESCAPE '\'`
	args := []any{pattern, pattern}
	if first, last, err := idRange(text); err == nil {
		where += " OR r.id BETWEEN ? AND ?"
		args = append(args, first, last)
	}
	c.other.add("("+where+")", args...)
}

func (c *runConditions) addTimes(f RunFilter) {
	if at := f.Created.After; at != nil {
		c.ids.add("r.id >= ?", firstID(at.Add(-idSlack)))
	}
	if at := f.Created.Before; at != nil {
		c.ids.add("r.id < ?", firstID(at.Add(idSlack)))
	}
	if at := f.Ended.Before; at != nil { // a run is created before it ends
		c.ids.add("r.id < ?", firstID(at.Add(idSlack)))
	}
	if at := f.Scheduled.After; at != nil {
		c.scheduledIDs.add("r.id >= ?", firstID(at.Add(-scheduledApart)))
	}
	if at := f.Scheduled.Before; at != nil {
		c.scheduledIDs.add("r.id < ?", firstID(at.Add(scheduledApart+time.Millisecond)))
	}
	c.other.addRange("r.created_at", f.Created)
	c.other.addRange("r.ended_at", f.Ended)
	c.scheduled.addRange("r.scheduled_time", f.Scheduled)
}

func (c *conditions) addRange(column string, span TimeRange) {
	if span.After != nil {
		c.add(column+" >= ?", *database.TimeOf(span.After))
	}
	if span.Before != nil {
		c.add(column+" < ?", *database.TimeOf(span.Before))
	}
}

// filterPools returns the pools of a filter, nil for all.
func (q Reader) filterPools(ctx context.Context, f RunFilter) ([]uuid.UUID, error) {
	var pools []uuid.UUID
	if f.Pool != "" {
		id, err := q.poolRef(ctx, f.Pool)
		if err != nil || f.Pools == nil {
			return []uuid.UUID{id}, err
		}
	}
	if f.Pools == nil {
		return nil, nil
	}
	names := f.Pools
	if f.Pool != "" {
		names = intersect(names, f.Pool)
	}
	pools = []uuid.UUID{}
	err := q.db.All(ctx, &pools, "SELECT id FROM pools WHERE deleted_at IS NULL AND name IN "+q.db.Dialect().List("text"),
		database.ListOf(names))
	if err != nil {
		return nil, fmt.Errorf("find the pools of a filter: %w", err)
	}
	return pools, nil
}

// intersect is the list of one name where names have it.
func intersect(names []string, one string) []string {
	for _, name := range names {
		if name == one {
			return []string{one}
		}
	}
	return []string{}
}

// stateGroup is what runs of some states have in common.
type stateGroup struct {
	table  string     // ready or live, which has a row of each of them; empty: neither
	states []any      // of rows of live
	where  conditions // on a run and its state
	// unsuccessful is the state, if runs_unsuccessful serves it.
	unsuccessful lifecycle.StateType
}

// stateGroups returns a group for each table and index that has the states: a list of several groups is merged from the
// list of each. No states are all of them, in one group.
func stateGroups(states []lifecycle.StateType) []stateGroup {
	if len(states) == 0 {
		return []stateGroup{{}}
	}
	var groups []stateGroup
	var live []any
	seen := map[lifecycle.StateType]bool{}
	for _, state := range states {
		if seen[state] {
			continue
		}
		seen[state] = true
		var group stateGroup
		switch {
		case state == lifecycle.Scheduled:
			group.table = "ready"
			group.where.add("w.run_id IS NOT NULL")
		case state == lifecycle.Completed:
			group.where.add("r.state_type = ? AND r.ended_at IS NOT NULL", state)
		case state.Terminal():
			group.unsuccessful = state
			group.where.add("r.unsuccessful = ?", state)
		default:
			live = append(live, state)
			continue
		}
		groups = append(groups, group)
	}
	if n := len(live); n > 0 {
		group := stateGroup{table: "live", states: live}
		group.where.add("l.state_type IN (?"+strings.Repeat(", ?", n-1)+")", live...)
		groups = append(groups, group)
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

// contains is the LIKE pattern of what contains a text, in lower case.
func contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text)) + "%"
}
