package store_test

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

//go:embed testdata/big.sql
var bigSQL string

// question is a frequent query of the database that returns up to a page of answers.
type question struct {
	name string
	ask  func(ctx context.Context, s *storetest.Store, page int) (answers int, err error)
}

const questionPage = 50

// BenchmarkQuestions runs the same queries in turns on an installation with a million runs, 100,000
// deployments and 100,000 schedules, and on an almost empty one, for no more answers than the small one has.
// p99-sec/op is the 99th percentile of their duration.
//
// Some of the difference of list-by-state and list-by-id-prefix is no work for size: PostgreSQL plans them
// anew each time in the big one, where it would not trust a plan that knows nothing of what is asked for, and
// keeps one plan in the small one, where any will do.
func BenchmarkQuestions(b *testing.B) {
	small, big := installation(b, 1000, 1000), installation(b, 100_000, 1_000_000)
	ofSmall, ofBig := questions(b, small), questions(b, big)
	for i, q := range ofBig {
		var tookSmall, tookBig times
		b.Run("big/"+q.name, func(b *testing.B) {
			page, err := ofSmall[i].ask(b.Context(), small, questionPage)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				tookBig.ask(b, big, q, page)
				tookSmall.ask(b, small, ofSmall[i], page)
			}
			tookBig.report(b)
		})
		b.Run("small/"+q.name, func(b *testing.B) { tookSmall.report(b) }) // measured with the other
	}
}

func installation(b testing.TB, deployments, runs int, options ...storetest.Option) *storetest.Store {
	b.Helper()
	s := storetest.PostgreSQL(b, append(options, storetest.WallClock)...)
	db := must[*sql.DB](b)(sql.Open("postgres", s.URL))
	defer db.Close()
	if _, err := db.ExecContext(b.Context(), fmt.Sprintf(bigSQL, deployments, runs)); err != nil {
		b.Fatal(err)
	}
	cycletest.Fill(b, s, 0)
	return s
}

// times are durations of queries.
type times []time.Duration

func (t *times) ask(b *testing.B, s *storetest.Store, q question, page int) {
	b.Helper()
	begun := time.Now()
	n, err := q.ask(b.Context(), s, page)
	if *t = append(*t, time.Since(begun)); err != nil || n == 0 {
		b.Fatalf("%d answers, %v", n, err)
	}
}

func (t *times) report(b *testing.B) {
	slices.Sort(*t)
	b.ReportMetric((*t)[len(*t)*99/100].Seconds(), "p99-sec/op")
}

func questions(b *testing.B, s *storetest.Store) []question {
	b.Helper()
	newest, _, err := s.ListRuns(b.Context(), store.RunFilter{}, store.Page{Limit: 500})
	if err != nil || len(newest) == 0 {
		b.Fatalf("%d runs, %v", len(newest), err)
	}
	some := newest[len(newest)/2]
	list := func(f store.RunFilter) func(ctx context.Context, s *storetest.Store, page int) (int, error) {
		return func(ctx context.Context, s *storetest.Store, page int) (int, error) {
			runs, _, err := s.ListRuns(ctx, f, store.Page{Limit: page})
			return len(runs), err
		}
	}
	before := time.Now().Add(-time.Hour)
	after := before.Add(-time.Hour)
	return []question{
		{"get", func(ctx context.Context, s *storetest.Store, _ int) (int, error) {
			_, err := s.GetRun(ctx, some.ID)
			return 1, err
		}},
		{"list-by-pool", list(store.RunFilter{Pool: some.Pool})},
		{"list-by-state", list(store.RunFilter{States: []lifecycle.StateType{lifecycle.Failed}})},
		{"list-by-deployment", list(store.RunFilter{Deployment: some.Deployment})},
		{"list-by-time", list(store.RunFilter{Created: store.TimeRange{After: &after, Before: &before}})},
		{"list-by-name-prefix", list(store.RunFilter{NamePrefix: some.Name[:len(some.Name)-1]})},
		{"list-by-id-prefix", list(store.RunFilter{IDPrefix: some.ID.String()[:8]})},
		{"deployments-of-pool", func(ctx context.Context, s *storetest.Store, page int) (int, error) {
			found, _, err := s.ListDeployments(ctx, store.DeploymentFilter{Pool: some.Pool},
				store.Page{Limit: page})
			return len(found), err
		}},
		{"claim", claimOneOf},
		{"schedules", func(ctx context.Context, s *storetest.Store, _ int) (int, error) {
			due, _, err := s.AcquireDueSchedules(ctx, 100, time.Minute)
			return 1 + len(due), err
		}},
	}
}

// claimOneOf makes a run, claims it and ends it.
func claimOneOf(ctx context.Context, s *storetest.Store, _ int) (int, error) {
	if _, err := s.CreateRuns(ctx, "d", make([]store.NewRun, 1), actor); err != nil {
		return 0, err
	}
	claims, err := s.Claim(ctx, request("p", "w", 1))
	for _, c := range claims {
		if err == nil {
			_, err = s.Report(ctx, "w", []store.Report{running(c), succeeded(c)})
		}
	}
	return len(claims), err
}
