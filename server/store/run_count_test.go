package store_test

import (
	"context"
	"database/sql"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// TestCountsAreWhatTheRunsSay creates, ends, cancels, retries, expires and deletes runs over some days, and rolls the
// counts up in between; some of these are interrupted. Each time it holds the counts against the runs themselves.
func TestCountsAreWhatTheRunsSay(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 40 }
	test := func(t *testing.T, w *world) {
		seed := rand.Uint64()
		c := &counted{world: w, dice: rand.New(rand.NewPCG(seed, 0))}
		w.pool("p")
		w.pool("q")
		w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		for round := range 12 {
			c.deploy()
			for range 25 {
				c.step()
			}
			c.check(round)
		}
		if c.exact == 0 || c.atLeast == 0 {
			t.Errorf("%d ranges were counted exactly, %d at least", c.exact, c.atLeast)
		}
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { test(t, &world{storetest.SQLite(t, few), t}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, &world{storetest.PostgreSQL(t, few), t}) })
	t.Run("PostgreSQL, partitioned", func(t *testing.T) { test(t, &world{storetest.Partitioned(t, few), t}) })
}

// counted is a world whose runs are counted.
type counted struct {
	*world
	dice           *rand.Rand
	exact, atLeast int         // counts of a range
	removed        []store.Run // by retention
}

func (c *counted) deploy() {
	c.t.Helper()
	for _, d := range []store.Deployment{{Name: "a", Pool: "p"}, {Name: "b", Pool: "p", Queue: "fast"}, {Name: "c", Pool: "q"}} {
		_, _, err := c.UpsertDeployment(c.t.Context(), d, actor)
		c.world.check(err)
	}
}

func (c *counted) step() {
	c.t.Helper()
	ctx := c.t.Context()
	some := func() string { return []string{"a", "b", "c"}[c.dice.IntN(3)] }
	switch c.dice.IntN(12) {
	case 0, 1, 2:
		c.runs(some(), 1+c.dice.IntN(12))
	case 3, 4, 5:
		c.work([]string{"p", "q"}[c.dice.IntN(2)])
	case 6:
		c.Advance(time.Duration(c.dice.IntN(300)) * time.Minute)
	case 7:
		for _, run := range c.few(lifecycle.Scheduled, lifecycle.Running) {
			c.cancelRun(run.ID, actor)
		}
	case 8:
		for _, run := range c.few(lifecycle.Failed, lifecycle.Cancelled, lifecycle.Completed) {
			if _, err := c.RetryRun(ctx, run.ID, actor); !store.IsCode(err, store.Conflict) { // its deployment is gone
				c.world.check(err)
			}
		}
	case 9:
		if c.dice.IntN(8) == 0 {
			c.world.check(c.DeleteDeployment(ctx, some(), store.DeleteOptions{Force: true, Permanently: true}, actor))
			c.sweep()
			c.deploy()
		}
	case 10:
		before := c.list()
		c.expire(store.Retention{Runs: time.Duration(12+c.dice.IntN(40)) * time.Hour})
		c.removed = append(c.removed, without(before, c.list())...)
	case 11:
		short, cancel := context.WithTimeout(ctx, time.Duration(c.dice.IntN(2000))*time.Microsecond)
		_ = c.RollUpRuns(short) // may be interrupted
		cancel()
		if c.dice.IntN(2) == 0 {
			c.world.check(c.RollUpRuns(ctx))
		}
	}
}

// few are some runs in one of the states.
func (c *counted) few(states ...lifecycle.StateType) []store.Run {
	c.t.Helper()
	runs, _, err := c.ListRuns(c.t.Context(), store.RunFilter{States: states[c.dice.IntN(len(states)):][:1]}, store.Page{Limit: 3})
	c.world.check(err)
	return runs
}

// work claims attempts of a pool and ends most of them.
func (c *counted) work(pool string) {
	c.t.Helper()
	claims := c.claim(request(pool, "w", 1+c.dice.IntN(15)))
	var reports []store.Report
	for _, claim := range claims {
		switch reports = append(reports, running(claim)); c.dice.IntN(5) {
		case 0:
		case 1:
			reports = append(reports, failed(claim, lifecycle.App))
		default:
			reports = append(reports, succeeded(claim))
		}
	}
	c.accepts(reports...)
}

// list is all runs.
func (c *counted) list() (all []store.Run) {
	c.t.Helper()
	for page := (store.Page{Limit: 500}); ; {
		runs, next, err := c.ListRuns(c.t.Context(), store.RunFilter{}, page)
		c.world.check(err)
		all = append(all, runs...)
		if page.Cursor = next.Cursor; page.Cursor == "" {
			return all
		}
	}
}

// without is the runs that are not among others.
func without(runs, others []store.Run) (rest []store.Run) {
	there := map[uuid.UUID]bool{}
	for _, run := range others {
		there[run.ID] = true
	}
	for _, run := range runs {
		if !there[run.ID] {
			rest = append(rest, run)
		}
	}
	return rest
}

func (c *counted) check(round int) {
	c.t.Helper()
	all := c.list()
	if len(all) == 0 {
		return
	}
	byID := map[string]lifecycle.StateType{}
	for i, run := range all {
		byID[run.ID.String()] = run.State.Type
		if run.DeploymentID != c.getDeployment(run.Deployment).ID { // deleted, and made again
			all[i].Deployment = ""
		}
	}
	for range 40 {
		f := randomFilter(c.dice, all)
		f.Tags, f.AnyTags, f.Categories, f.CreatedBy, f.Schedule = nil, nil, nil, "", ""
		f.Text, f.NamePrefix, f.Scheduled = "", "", store.TimeRange{}
		want := map[lifecycle.StateType]int64{}
		for _, id := range naiveList(f, all) {
			want[byID[id.String()]]++
		}
		got, err := c.CountRuns(c.t.Context(), f)
		c.world.check(err)
		inRange := f.Created != store.TimeRange{} || f.Ended != store.TimeRange{}
		switch {
		case !got.AtLeast && inRange:
			c.exact++
		case got.AtLeast && inRange:
			c.atLeast++
			for state, n := range got.States {
				if n > want[state] {
					c.t.Errorf("round %d, %+v: at least %d %s, want %d", round, f, n, state, want[state])
				}
			}
			continue
		}
		if got.AtLeast || !maps.Equal(got.States, want) {
			c.t.Errorf("round %d, %+v: counted %v, want %v", round, f, got, want)
		}
		c.checkHistogram(f, all)
	}
}

// TestRollingUpLeavesNoRowsOfRunsThatAreGone keeps the tables from growing where runs are removed.
func TestRollingUpLeavesNoRowsOfRunsThatAreGone(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		w.cancelRun(run.ID, actor)
		w.check(w.RollUpRuns(t.Context()))
		if n := w.rows("run_counts"); n != 4 { // of the deployment, and of its queue: an hour, a day, and all time
			t.Errorf("a run has %d rows, want 4", n)
		}
		w.deletes("runs")
		w.check(w.RollUpRuns(t.Context()))
		if n := w.rows("run_counts") + w.rows("run_count_changes"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// TestRangesAreCountedByWholeHours counts more runs than are looked at, by hours and days.
func TestRangesAreCountedByWholeHours(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 10 }
	test := func(t *testing.T, w *world) {
		dice := rand.New(rand.NewPCG(1, 2))
		all := w.scatteredRuns(dice)
		for _, test := range []struct {
			name  string
			round time.Duration
			f     func(store.TimeRange) store.RunFilter
		}{
			{"created", time.Hour, func(r store.TimeRange) store.RunFilter { return store.RunFilter{Created: r} }},
			{"ended", time.Hour, func(r store.TimeRange) store.RunFilter { return store.RunFilter{Ended: r} }},
		} {
			for from := 1; from < 90; from += 13 {
				after := w.Now().UTC().Truncate(test.round).Add(-time.Duration(from) * time.Hour)
				for hours := 1; hours < from; hours += 11 {
					before := after.Add(time.Duration(hours) * time.Hour)
					f := test.f(store.TimeRange{After: &after, Before: &before})
					f.States = []lifecycle.StateType{lifecycle.Completed, lifecycle.Failed, lifecycle.Cancelled}
					got, err := w.CountRuns(t.Context(), f)
					w.check(err)
					var sum int64
					for _, n := range got.States {
						sum += n
					}
					if want := int64(len(naiveList(f, all))); got.AtLeast || sum != want {
						t.Errorf("%s from %d hours ago, for %d: %+v, want %d", test.name, from, hours, got, want)
					}
				}
			}
		}
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { test(t, &world{storetest.SQLite(t, few), t}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, &world{storetest.PostgreSQL(t, few), t}) })
}

// recount counts runs whose times a test has changed in the database.
func (w *world) recount() {
	w.t.Helper()
	hour, took := func(column string) string { return column + " / 3600000000" }, "0"
	if w.Postgres {
		hour, took = func(column string) string { return "hour_of(" + column + ")" }, "run_took(started_at, ended_at)"
	}
	w.past(func(db *sql.DB) error {
		for _, query := range []string{
			"DELETE FROM run_counts", "DELETE FROM run_count_changes",
			`INSERT INTO run_count_changes (pool_id, queue_id, deployment_id, created, ended, state_type, category, took, n)
			SELECT pool_id, queue_id, deployment_id, ` + hour("created_at") + ", " + hour("ended_at") + ", state_type, category, " + took +
				", 1 FROM runs WHERE ended_at IS NOT NULL",
		} {
			if _, err := db.ExecContext(w.t.Context(), query); err != nil {
				return err
			}
		}
		return nil
	})
	w.check(w.RollUpRuns(w.t.Context()))
}
