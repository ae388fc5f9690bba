package wire

import (
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// RunHistogram shows a histogram with all buckets of its range, those without runs too.
func RunHistogram(h store.RunHistogram) api.RunHistogram {
	shown := api.RunHistogram{From: Time(h.From), To: Time(h.To), Bucket: "1h", Buckets: []api.RunHistogramBucket{}}
	if h.Bucket == 24*time.Hour {
		shown.Bucket = "1d"
	}
	counts := h.Counts
	for at := h.From; at.Before(h.To); at = at.Add(h.Bucket) {
		bucket := api.RunHistogramBucket{From: Time(at), To: Time(at.Add(h.Bucket)), Counts: []api.RunHistogramCount{}}
		for ; len(counts) > 0 && counts[0].At.Before(at.Add(h.Bucket)); counts = counts[1:] {
			c := counts[0]
			bucket.Counts = append(bucket.Counts, api.RunHistogramCount{
				State: api.StateType(c.State), Category: OrNil(api.Category(c.Category)), Count: c.Count, Removed: c.Removed,
			})
		}
		shown.Buckets = append(shown.Buckets, bucket)
	}
	return shown
}

// DeploymentStatistics shows how the runs of a deployment went.
func DeploymentStatistics(s store.DeploymentStatistics) api.DeploymentStatistics {
	return api.DeploymentStatistics{
		From: Time(s.From), To: Time(s.To), ByState: countsByState(s.States), Failing: s.Failing(),
		Duration: Percentiles(s.Duration), Wait: Percentiles(s.Wait),
	}
}

// countsByState shows counts of runs.
func countsByState(counts map[lifecycle.StateType]int64) map[string]int64 {
	shown := make(map[string]int64, len(counts))
	for state, n := range counts {
		shown[string(state)] = n
	}
	return shown
}

// Percentiles shows percentiles, unless there is no run.
func Percentiles(p store.Percentiles) api.Percentiles {
	if p.Runs == 0 {
		return api.Percentiles{}
	}
	return api.Percentiles{Runs: p.Runs, P50Seconds: exactSeconds(p.P50), P95Seconds: exactSeconds(p.P95)}
}

// exactSeconds shows a time to the millisecond.
func exactSeconds(d time.Duration) *float64 {
	s := d.Round(time.Millisecond).Seconds()
	return &s
}
