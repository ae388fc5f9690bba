package store_test

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// TestPagesAreTheSameAsASortOfAllRuns reads random lists page by page, each page looking at few runs, and sorts and
// filters the same runs here. Some runs were scheduled long before or after they were created.
func TestPagesAreTheSameAsASortOfAllRuns(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 40 }
	test := func(t *testing.T, w *world) {
		seed := rand.Uint64()
		dice := rand.New(rand.NewPCG(seed, 0))
		all := w.scatteredRuns(dice)
		for range 300 {
			f := randomFilter(dice, all)
			want := naiveList(f, all)
			got, pages := w.allPages(f, 1+dice.IntN(30))
			if !slices.Equal(got, want) {
				t.Errorf("seed %d, %+v: %d runs in %d pages, want %d\ngot  %v\nwant %v", seed, f, len(got), pages, len(want),
					got, want)
			}
		}
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { test(t, &world{storetest.SQLite(t, few), t}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, &world{storetest.PostgreSQL(t, few), t}) })
}

const scatteredOver = 4 * 24 * time.Hour

// scatteredRuns makes runs in all states, created over some days, and returns them newest first.
func (w *world) scatteredRuns(dice *rand.Rand) []store.Run {
	w.t.Helper()
	ctx := w.t.Context()
	for _, pool := range []string{"p", "q"} {
		w.pool(pool)
		w.createQueue(store.Queue{Pool: pool, Name: "fast"}, actor)
	}
	for _, d := range []store.Deployment{
		{Name: "a", Pool: "p"}, {Name: "b", Pool: "p", Queue: "fast", Tags: []string{"nightly"}}, {Name: "c", Pool: "q"},
	} {
		_, _, err := w.UpsertDeployment(ctx, d, actor)
		w.check(err)
	}

	w.check(w.UpdateSchedules(ctx, "a", []store.NewSchedule{{Name: "hourly", Spec: []byte(`{"cron":"@hourly"}`)}}, actor))
	schedules, err := w.ListDeploymentSchedules(ctx, "a")
	w.check(err)

	begin := w.Now().UTC().Truncate(time.Millisecond).Add(-scatteredOver)
	ids := map[uuid.UUID]time.Time{}
	for range 400 {
		created := begin.Add(time.Duration(dice.Int64N(int64(scatteredOver))))
		scheduled := created.Truncate(time.Millisecond).Add(time.Duration(dice.Int64N(int64(20*time.Minute))) - 10*time.Minute)
		switch dice.IntN(10) {
		case 0:
			scheduled = created.Add(-time.Duration(dice.Int64N(int64(48 * time.Hour))))
		case 1:
			scheduled = begin.Add(time.Duration(dice.IntN(8)) * time.Hour) // many at one time
		}
		n := store.NewRun{
			ID: idAt(created.Add(-w.clockAhead()), dice), Name: fmt.Sprintf("run-%d", dice.IntN(300)), ScheduledTime: &scheduled,
			Tags: [][]string{nil, {"x"}, {"x", "y,z"}}[dice.IntN(3)],
		}
		ids[w.shifted(n.ID)] = created
		deployment := []string{"a", "b", "c"}[dice.IntN(3)]
		if deployment == "a" && dice.IntN(2) == 0 {
			n.ScheduleID, n.Timezone = schedules[0].ID, "Europe/Berlin" // by which the run is told here
		}
		_, err := w.CreateRuns(ctx, deployment, []store.NewRun{n}, []string{"ada", "bob"}[dice.IntN(2)])
		w.check(err)
	}
	w.endSome(dice)
	w.past(func(db *sql.DB) error { // they were created when their IDs say
		query := "UPDATE runs SET created_at = ?, ended_at = CASE WHEN ended_at IS NOT NULL THEN ? END WHERE id = ?"
		for id, created := range ids {
			var at, ended any = created, created.Add(time.Duration(dice.IntN(300)) * time.Minute)
			if w.Postgres {
				query = "UPDATE runs SET created_at = $1, ended_at = CASE WHEN ended_at IS NOT NULL THEN $2::timestamptz END WHERE id = $3"
			} else {
				at, ended = created.UnixMicro(), ended.(time.Time).UnixMicro()
			}
			if _, err := db.Exec(query, at, ended, id.String()); err != nil {
				return err
			}
		}
		return nil
	})
	w.recount()
	all := make([]store.Run, 0, len(ids))
	for id := range ids {
		run, err := w.GetRun(ctx, id)
		w.check(err)
		all = append(all, *run)
	}
	slices.SortFunc(all, func(a, b store.Run) int { return -slices.Compare(a.ID[:], b.ID[:]) })
	return all
}

// endSome claims, ends and cancels some of the runs.
func (w *world) endSome(dice *rand.Rand) {
	w.t.Helper()
	for _, pool := range []string{"p", "q"} {
		claims := w.claim(request(pool, "w", 130))
		var reports []store.Report
		for _, c := range claims[:len(claims)*3/4] {
			reports = append(reports, running(c))
			switch dice.IntN(4) {
			case 0:
				reports = append(reports, failed(c, lifecycle.App))
			case 1, 2:
				reports = append(reports, succeeded(c))
			}
		}
		w.accepts(reports...)
		for _, c := range claims[len(claims)*7/8:] {
			w.cancelRun(c.RunID, "ada")
		}
	}
	waiting, _, err := w.ListRuns(w.t.Context(), store.RunFilter{States: []lifecycle.StateType{lifecycle.Scheduled}}, store.Page{})
	w.check(err)
	for _, run := range waiting[:min(len(waiting), 10)] {
		w.cancelRun(run.ID, "bob")
	}
}

// clockAhead is how far the store's clock is from the machine's, as the store shifts the IDs of runs.
func (w *world) clockAhead() time.Duration { return time.Until(w.Now()).Round(time.Minute) }

// shifted is the ID that a run gets for one that was made by the machine's clock.
func (w *world) shifted(id uuid.UUID) uuid.UUID {
	at := uint64(id[0])<<40 | uint64(binary.BigEndian.Uint32(id[1:5]))<<8 | uint64(id[5])
	binary.BigEndian.PutUint64(id[:8], (at+uint64(w.clockAhead().Milliseconds()))<<16|uint64(binary.BigEndian.Uint16(id[6:8])))
	return id
}

// idAt is an ID of version 7 that was made at a time.
func idAt(at time.Time, dice *rand.Rand) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|dice.Uint64N(1<<12))
	binary.BigEndian.PutUint64(id[8:], 1<<63|dice.Uint64()>>2)
	return id
}

// randomFilter asks for what some runs have.
func randomFilter(dice *rand.Rand, all []store.Run) store.RunFilter {
	some := func() store.Run { return all[dice.IntN(len(all))] }
	span := func(at func(store.Run) time.Time) (r store.TimeRange) {
		if one := at(some()); dice.IntN(2) == 0 {
			r.After = &one
		}
		if one := at(some()); dice.IntN(2) == 0 {
			r.Before = &one
		}
		return r
	}
	var f store.RunFilter
	for range 1 + dice.IntN(3) {
		switch run := some(); dice.IntN(16) {
		case 0:
			f.Pool = run.Pool
		case 1:
			f.Pools = [][]string{{"p"}, {"p", "q"}, {"q"}}[dice.IntN(3)]
		case 2:
			f.Queue = run.Queue
		case 3:
			f.Deployment = run.Deployment
		case 4, 5:
			for range 1 + dice.IntN(3) {
				f.States = append(f.States, some().State.Type)
			}
		case 6:
			f.Tags = [][]string{{"x"}, {"nightly"}, {"y,z", "x"}, {"none"}, {`","`}}[dice.IntN(5)]
		case 7:
			f.Text = []string{"RUN-1", "99", "by ada", "none", run.ID.String()[:9]}[dice.IntN(5)]
		case 8:
			f.NamePrefix = run.Name[:len(run.Name)-dice.IntN(3)]
		case 9:
			f.Created = span(func(r store.Run) time.Time { return r.CreatedAt })
		case 10:
			f.Scheduled = span(func(r store.Run) time.Time { return r.ScheduledTime })
		case 11:
			f.Ended = span(func(r store.Run) time.Time { return cmp.Or(r.EndedAt, &r.CreatedAt).UTC() })
		case 12:
			f.AnyTags = [][]string{{"x", "nightly"}, {"y,z"}, {"none"}, {"none", "nightly"}}[dice.IntN(4)]
		case 13:
			f.Categories = [][]lifecycle.Category{{lifecycle.App}, {lifecycle.App, lifecycle.CancelledEnd}, {lifecycle.OOM}}[dice.IntN(3)]
		case 14:
			f.CreatedBy = run.CreatedBy
		case 15:
			f.Schedule = []string{"hourly", "none"}[dice.IntN(2)]
		}
	}
	f.Sort = []store.RunSort{"", store.OldestFirst, store.LatestDueFirst, store.EarliestDueFirst}[dice.IntN(4)]
	return f
}

func naiveList(f store.RunFilter, all []store.Run) []uuid.UUID {
	within := func(r store.TimeRange, at *time.Time) bool {
		return r == store.TimeRange{} || at != nil && (r.After == nil || !at.Before(*r.After)) && (r.Before == nil || at.Before(*r.Before))
	}
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(f.Text)) }
	matches := func(r store.Run) bool {
		for _, tag := range f.Tags {
			if !slices.Contains(r.Tags, tag) {
				return false
			}
		}
		hasAny := func(tag string) bool { return slices.Contains(r.Tags, tag) }
		if f.AnyTags != nil && !slices.ContainsFunc(f.AnyTags, hasAny) ||
			f.Categories != nil && !slices.Contains(f.Categories, r.Category) || f.CreatedBy != "" && f.CreatedBy != r.CreatedBy ||
			f.Schedule != "" && (f.Schedule != "hourly" || r.Timezone == "") {
			return false
		}
		return (f.Pool == "" || f.Pool == r.Pool) && (f.Pools == nil || slices.Contains(f.Pools, r.Pool)) &&
			(f.Queue == "" || f.Queue == r.Queue) && (f.Deployment == "" || f.Deployment == r.Deployment) &&
			(f.States == nil || slices.Contains(f.States, r.State.Type)) && strings.HasPrefix(r.Name, f.NamePrefix) &&
			(has(r.Name) || has(r.State.Message) || strings.HasPrefix(r.ID.String(), f.Text)) &&
			within(f.Created, &r.CreatedAt) && within(f.Scheduled, &r.ScheduledTime) && within(f.Ended, r.EndedAt)
	}
	var runs []store.Run
	for _, r := range all {
		if matches(r) {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b store.Run) int {
		c := 0
		if f.Sort == store.LatestDueFirst || f.Sort == store.EarliestDueFirst {
			c = a.ScheduledTime.Compare(b.ScheduledTime)
		}
		if c = cmp.Or(c, slices.Compare(a.ID[:], b.ID[:])); f.Sort == "" || f.Sort == store.LatestDueFirst {
			return -c
		}
		return c
	})
	return idsOf(runs)
}

func idsOf(runs []store.Run) []uuid.UUID {
	var ids []uuid.UUID
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

// allPages reads a list to its end. A page that is not full says how far it has searched, and each further than the last.
func (w *world) allPages(f store.RunFilter, limit int) (ids []uuid.UUID, pages int) {
	w.t.Helper()
	seen := map[string]bool{}
	for page := (store.Page{Limit: limit}); ; pages++ {
		runs, next, err := w.ListRuns(w.t.Context(), f, page)
		w.check(err)
		ids = append(ids, idsOf(runs)...)
		if len(runs) < limit && next.Cursor != "" && next.SearchedTo == nil {
			w.t.Fatalf("a page of %d runs of %d does not say how far it has searched", len(runs), limit)
		}
		if page.Cursor = next.Cursor; page.Cursor == "" {
			return ids, pages + 1
		}
		if seen[page.Cursor] {
			w.t.Fatalf("%+v: a page comes again", f)
		}
		seen[page.Cursor] = true
	}
}

func TestRunsMadeAtOnceAreNotSortedByTheirScheduledTime(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 40 }
	w := &world{storetest.SQLite(t, few), t}
	w.pool("p")
	w.deployment("d", "p")
	w.deployment("e", "p")
	w.runs("d", 20)
	w.run("e")
	by := store.RunFilter{Sort: store.LatestDueFirst}
	if got, _ := w.allPages(by, 10); len(got) != 21 {
		t.Errorf("%d runs, want 21", len(got))
	}
	w.runs("d", 60)
	_, _, err := w.ListRuns(t.Context(), by, store.Page{Limit: 10})
	w.refuses(err, store.ListTooLong)
	by.Deployment = "e"
	if got, _ := w.allPages(by, 10); len(got) != 1 {
		t.Errorf("%d runs of a deployment, want 1", len(got))
	}
}
