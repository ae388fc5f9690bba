package store_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// checkHistogram holds a histogram in a random range against stored and removed runs, and its
// sums against CountRuns in the same range.
func (c *counted) checkHistogram(f store.RunFilter, all []store.Run) {
	c.t.Helper()
	now := c.Now()
	h := store.HistogramQuery{Filter: f, Bucket: time.Hour}
	h.From = now.Add(-time.Duration(1+c.dice.IntN(100)) * time.Hour)
	h.To = h.From.Add(time.Duration(c.dice.IntN(100*60)) * time.Minute)
	if c.dice.IntN(2) == 0 {
		h.Bucket = 24 * time.Hour
	}
	got, err := c.GetRunHistogram(c.t.Context(), h)
	c.world.check(err)
	if got.From.After(h.From) || h.From.Sub(got.From) >= h.Bucket || got.To.Before(h.To) || got.To.Sub(h.To) >= h.Bucket {
		c.t.Errorf("%s to %s was widened to %s to %s", h.From, h.To, got.From, got.To)
	}

	f.Created, f.Ended = store.TimeRange{}, store.TimeRange{After: &got.From, Before: &got.To}
	want := c.naiveHistogram(f, h.Bucket, all, false)
	want = append(want, c.naiveHistogram(f, h.Bucket, c.removed, true)...)
	slices.SortFunc(want, compareCounts)
	want = merged(want)
	if !slices.Equal(got.Counts, want) {
		c.t.Errorf("%+v from %s to %s:\n%v\nwant\n%v", f, got.From, got.To, got.Counts, want)
	}

	counts, err := c.CountRuns(c.t.Context(), f)
	c.world.check(err)
	sums := map[lifecycle.StateType]int64{}
	for _, count := range got.Counts {
		if n := count.Count - count.Removed; n > 0 {
			sums[count.State] += n
		}
	}
	if !counts.AtLeast && !maps.Equal(counts.States, sums) {
		c.t.Errorf("%+v: the histogram has %v, and the count %v", f, sums, counts.States)
	}
}

// naiveHistogram counts the runs of a list.
func (c *counted) naiveHistogram(
	f store.RunFilter, bucket time.Duration, runs []store.Run, removed bool,
) (counts []store.HistogramCount) {
	matching := map[uuid.UUID]bool{}
	for _, id := range naiveList(f, runs) {
		matching[id] = true
	}
	for _, run := range runs {
		if !matching[run.ID] || f.Deployment != "" && run.DeploymentID != c.getDeployment(f.Deployment).ID {
			continue
		}
		count := store.HistogramCount{
			At: run.EndedAt.UTC().Truncate(bucket), State: run.State.Type, Category: run.Category, Count: 1,
		}
		if removed {
			count.Removed = 1
		}
		counts = append(counts, count)
	}
	return counts
}

func compareCounts(a, b store.HistogramCount) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.State, b.State), cmp.Compare(a.Category, b.Category))
}

// merged adds up counts that are alike.
func merged(counts []store.HistogramCount) (sums []store.HistogramCount) {
	for _, count := range counts {
		if n := len(sums); n > 0 && compareCounts(sums[n-1], count) == 0 {
			sums[n-1].Count += count.Count
			sums[n-1].Removed += count.Removed
			continue
		}
		sums = append(sums, count)
	}
	return sums
}

// TestStatisticsOfADeploymentStayWhenItsRunsAreRemoved has runs that wait for 10 minutes and take 30, some that fail, and
// one that no worker claims.
func TestStatisticsOfADeploymentStayWhenItsRunsAreRemoved(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := t.Context()
		w.pool("p")
		w.deployment("d", "p")
		w.deployment("other", "p")
		start := w.Now()
		end := start.Add(3 * time.Hour)
		w.runs("d", 21)
		w.cancelRun(w.run("d").ID, actor)
		w.Advance(10 * time.Minute)
		claims := w.claim(request("p", "w", 30))
		if len(claims) != 21 {
			t.Fatalf("claimed %d runs", len(claims))
		}
		for i, c := range claims {
			if i == 0 {
				w.Advance(30 * time.Second)
			}
			w.accepts(running(c))
		}
		w.Advance(30 * time.Minute)
		for i, c := range claims {
			if i < 5 {
				w.accepts(failed(c, lifecycle.App))
			} else {
				w.accepts(succeeded(c))
			}
		}

		check := func(when string) {
			t.Helper()
			stats, err := w.GetDeploymentStatistics(ctx, "d", start, end)
			w.check(err)
			want := map[lifecycle.StateType]int64{lifecycle.Completed: 16, lifecycle.Failed: 5, lifecycle.Cancelled: 1}
			if !maps.Equal(stats.States, want) {
				t.Errorf("%s: %v, want %v", when, stats.States, want)
			}
			if part := stats.Failing(); part == nil || *part != 5./21 {
				t.Errorf("%s: %v fail, want 5 of 21", when, part)
			}
			near(t, when+", took", stats.Duration, 16, 30*time.Minute)
			near(t, when+", waited", stats.Wait, 21, 10*time.Minute)
			if none, err := w.GetDeploymentStatistics(ctx, "other", start, end); err != nil || none.Failing() != nil ||
				none.Duration != (store.Percentiles{}) || none.Wait != (store.Percentiles{}) {
				t.Errorf("%s: a deployment without runs has %+v, %v", when, none, err)
			}
		}
		check("not rolled up")
		w.check(w.RollUpRuns(ctx))
		check("rolled up")
		w.Advance(40 * 24 * time.Hour)
		keep := store.Retention{Runs: 24 * time.Hour, Statistics: 41 * 24 * time.Hour}
		for range 2 { // a partition may wait for the first
			w.expire(keep)
			w.Advance(2 * time.Hour)
		}
		if n := w.rows("runs"); n != 0 {
			t.Fatalf("%d runs are left", n)
		}
		check("removed, not rolled up")
		w.check(w.RollUpRuns(ctx))
		check("removed")
		keep.Statistics = 39 * 24 * time.Hour
		if removed := w.expire(keep); removed.Statistics == 0 {
			t.Error("no statistics were removed")
		}
		if n := w.rows("run_counts") + w.rows("run_waits"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// near wants percentiles of equal times within ten percent.
func near(t *testing.T, what string, p store.Percentiles, runs int64, want time.Duration) {
	t.Helper()
	ok := func(got time.Duration) bool { return got > want*9/10 && got < want*11/10 }
	if p.Runs != runs || !ok(p.P50) || !ok(p.P95) {
		t.Errorf("%s: %+v, want %d runs of about %s", what, p, runs, want)
	}
}

// TestWaitsStayAsTheyWereWhenARunIsTriedAgain counts each end of a run.
func TestWaitsStayAsTheyWereWhenARunIsTriedAgain(t *testing.T) {
	onEach(t, func(w *world) {
		start := w.Now()
		run := w.one()
		for range 2 {
			w.Advance(time.Minute)
			c := w.claimOne("w")
			w.accepts(running(c), failed(c, lifecycle.App))
			w.check(w.RollUpRuns(t.Context()))
			_, err := w.RetryRun(t.Context(), run.ID, actor)
			w.check(err)
		}
		stats, err := w.GetDeploymentStatistics(t.Context(), "d", start, start.Add(time.Hour))
		w.check(err)
		if len(stats.States) != 0 {
			t.Errorf("the run has not ended, and counts as %v", stats.States)
		}
		near(t, "waited", stats.Wait, 2, time.Minute)
	})
}
