package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// BenchmarkFilters asks for a page of runs in an installation with a million of them, by every filter and in every
// order that the API offers, as people do. p99-sec/op is the 99th percentile. What is refused with a reason counts as
// answered.
func BenchmarkFilters(b *testing.B) {
	big := installation(b, 100_000, 1_000_000)
	for _, q := range filterQuestions(b, big) {
		b.Run(q.name, func(b *testing.B) {
			var took times
			for b.Loop() {
				begun := time.Now()
				if _, err := q.ask(store.ForPeople(b.Context()), big, questionPage); err != nil &&
					!store.IsCode(err, store.ListTooLong) {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			took.report(b)
		})
	}
}

// filterQuestions are all filters alone and some together, each in every order, with values that many runs have and that
// none has.
func filterQuestions(b testing.TB, s *storetest.Store) []question {
	b.Helper()
	newest, _, err := s.ListRuns(b.Context(), store.RunFilter{}, store.Page{Limit: 500})
	if err != nil || len(newest) == 0 {
		b.Fatalf("%d runs, %v", len(newest), err)
	}
	some := newest[len(newest)/2]
	hour, year := time.Now().Add(-time.Hour), time.Now().AddDate(-1, 0, 0)
	month := time.Now().AddDate(0, -1, 0)
	unfinished := []lifecycle.StateType{lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running, lifecycle.Cancelling}
	hours := store.TimeRange{After: &hour}
	long := store.TimeRange{Before: &year}
	filters := []struct {
		name string
		f    store.RunFilter
	}{
		{"none", store.RunFilter{}},
		{"pool", store.RunFilter{Pool: some.Pool}},
		{"queue", store.RunFilter{Pool: some.Pool, Queue: some.Queue}},
		{"queue-of-any-pool", store.RunFilter{Queue: some.Queue}},
		{"deployment", store.RunFilter{Deployment: some.Deployment}},
		{"tag", store.RunFilter{Tags: []string{"nightly"}}},
		{"tag-that-none-has", store.RunFilter{Tags: []string{"none"}}},
		{"any-tag", store.RunFilter{AnyTags: []string{"none", "nightly"}}},
		{"cause", store.RunFilter{Categories: []lifecycle.Category{lifecycle.App, lifecycle.OOM}}},
		{"cause-that-none-has", store.RunFilter{Categories: []lifecycle.Category{lifecycle.Quota}}},
		{"creator-of-none", store.RunFilter{CreatedBy: "nobody"}},
		{"schedule", store.RunFilter{Schedule: "nightly"}},
		{"schedule-of-none", store.RunFilter{Schedule: "nowhere"}},
		{"text", store.RunFilter{Text: "run-99"}},
		{"text-that-none-has", store.RunFilter{Text: "nowhere"}},
		{"name", store.RunFilter{Name: some.Name}},
		{"name-prefix", store.RunFilter{NamePrefix: some.Name[:len(some.Name)-1]}},
		{"id-prefix", store.RunFilter{IDPrefix: some.ID.String()[:8]}},
		{"created-lately", store.RunFilter{Created: hours}}, {"created-long-ago", store.RunFilter{Created: long}},
		{"scheduled-lately", store.RunFilter{Scheduled: hours}}, {"scheduled-long-ago", store.RunFilter{Scheduled: long}},
		{"ended-lately", store.RunFilter{Ended: hours}}, {"ended-long-ago", store.RunFilter{Ended: long}},
		{"created-in-a-month", store.RunFilter{Created: store.TimeRange{After: &month}}},
		{"ended-in-a-month", store.RunFilter{Ended: store.TimeRange{After: &month}}},
		{"scheduled-in-a-month", store.RunFilter{Scheduled: store.TimeRange{After: &month}}},
		{"unfinished", store.RunFilter{States: unfinished}},
		{"failed-of-pool", store.RunFilter{Pool: some.Pool, States: []lifecycle.StateType{lifecycle.Failed}}},
		{"text-of-pool-in-a-month", store.RunFilter{Pool: some.Pool, Text: "nowhere", Created: store.TimeRange{After: &month}}},
		{"tag-of-deployment", store.RunFilter{Deployment: some.Deployment, Tags: []string{"none"}}},
	}
	for _, state := range []lifecycle.StateType{
		lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running, lifecycle.Cancelling, lifecycle.Completed,
		lifecycle.Failed, lifecycle.Crashed, lifecycle.Cancelled,
	} {
		filters = append(filters, struct {
			name string
			f    store.RunFilter
		}{"state-" + string(state), store.RunFilter{States: []lifecycle.StateType{state}}})
	}
	var all []question
	for _, filter := range filters {
		for _, sort := range []store.RunSort{
			store.NewestFirst, store.OldestFirst, store.LatestDueFirst, store.EarliestDueFirst,
		} {
			f := filter.f
			f.Sort = sort
			all = append(all, question{
				fmt.Sprintf("list/%s/%s", filter.name, sort),
				func(ctx context.Context, s *storetest.Store, page int) (int, error) {
					runs, _, err := s.ListRuns(ctx, f, store.Page{Limit: page})
					return len(runs), err
				},
			})
		}
		all = append(all, question{"count/" + filter.name, func(ctx context.Context, s *storetest.Store, _ int) (int, error) {
			counts, err := s.CountRuns(ctx, filter.f)
			return len(counts.States), err
		}})
	}
	return all
}
