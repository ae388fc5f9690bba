package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/database"
)

// TestAStandbyAnswersListsAsThePrimaryDoes: every list that a read replica may answer.
func TestAStandbyAnswersListsAsThePrimaryDoes(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	createSchema(t, primary)
	standby := primary.Standby(t)
	registry := prometheus.NewRegistry()
	w := worldOn(t, open(t, store.Options{
		URL: primary.URL("berth"), ReadURL: standby.URL("berth"), Registerer: registry, ReadLagMax: time.Hour,
	}))
	w.one()
	w.claimOne("w")
	w.RunInBackground(t)
	awaitReplica(t, registry)
	standby.AwaitReplay(t, primary)

	now := time.Now()
	filters := map[string]store.RunFilter{
		"all": {}, "a pool": {Pool: "p"}, "a state": {States: []lifecycle.StateType{lifecycle.Pending}},
		"a text": {Text: "a"}, "due first": {Sort: store.EarliestDueFirst}, "oldest first": {Sort: store.OldestFirst},
		"created": {Created: store.TimeRange{Before: &now}}, "a tag": {Tags: []string{"none"}},
	}
	for name, f := range filters {
		sameAnswer(t, "runs of "+name, func(ctx context.Context) (any, error) {
			runs, next, err := w.ListRuns(ctx, f, store.Page{Limit: 10})
			return []any{runs, next}, err
		})
		sameAnswer(t, "count of "+name, func(ctx context.Context) (any, error) { return w.CountRuns(ctx, f) })
	}
	sameAnswer(t, "the audit log", func(ctx context.Context) (any, error) {
		entries, next, err := w.ListAudit(ctx, store.AuditFilter{}, store.Page{Limit: 10})
		return []any{entries, next}, err
	})
	sameAnswer(t, "the unfinished runs", func(ctx context.Context) (any, error) {
		stats, err := w.GetStats(ctx)
		if err != nil {
			return nil, err
		}
		return stats.Live, nil
	})
}

// sameAnswer compares what the primary and the standby answer.
func sameAnswer(t *testing.T, what string, read func(context.Context) (any, error)) {
	t.Helper()
	want, err := read(store.ForPeople(t.Context()))
	if err != nil {
		t.Errorf("%s: the primary: %v", what, err)
	}
	got, err := read(store.ForHistory(t.Context()))
	if err != nil {
		t.Errorf("%s: the standby: %v", what, err)
	}
	times := cmp.Comparer(func(a, b database.Time) bool { return a.Time().Equal(b.Time()) })
	if diff := cmp.Diff(want, got, times); diff != "" {
		t.Errorf("%s differs (-primary +standby):\n%s", what, diff)
	}
}

// awaitReplica returns when the store reads lists from its standby.
func awaitReplica(t *testing.T, registry *prometheus.Registry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for metricOf(t, registry, "berth_db_replica_used") != 1 {
		select {
		case <-ctx.Done():
			t.Fatal("the standby is not used")
		case <-tick.C:
		}
	}
}

func metricOf(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
