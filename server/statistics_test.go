package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// TestO1NumbersOfTheHistogramAreThoseOfTheCount ends runs in each way, and asks for the same window of both.
func TestO1NumbersOfTheHistogramAreThoseOfTheCount(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	r.deploy("other", "")
	w := r.newWorker("w1")
	for i := range 6 {
		r.startRun([]string{"etl", "other"}[i%2], `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, []int32{0, 0, 7}[i%3], "it ended")
	}
	cancelled := r.startRun("etl", `{}`)
	r.call(http.MethodPost, "/api/v1/runs/"+cancelled.ID.String()+"/cancel", "").is(http.StatusOK)
	r.startRun("etl", `{}`) // it waits, and has no end

	for _, filter := range []string{"", "&deployment=etl", "&pool=local", "&state=FAILED&state=CANCELLED", "&queue=default"} {
		for _, bucket := range []string{"1h", "1d"} {
			now := time.Now()
			window := fmt.Sprintf("?bucket=%s&from=%s&to=%s%s", bucket, param(now.Add(-time.Hour)), param(now.Add(time.Hour)), filter)
			h := read[api.RunHistogram](r.call(http.MethodGet, "/api/v1/runs/histogram"+window, "").is(http.StatusOK))
			counts := read[api.RunCounts](r.call(http.MethodGet,
				fmt.Sprintf("/api/v1/runs/count?ended_after=%s&ended_before=%s%s", param(h.From), param(h.To), filter), "").is(http.StatusOK))
			sums := map[string]int64{}
			for _, b := range h.Buckets {
				for _, c := range b.Counts {
					sums[string(c.State)] += c.Count - c.Removed
				}
			}
			if len(counts.ByState) == 0 || fmt.Sprint(sums) != fmt.Sprint(counts.ByState) {
				t.Errorf("%s: the histogram has %v, the count %v", window, sums, counts.ByState)
			}
		}
	}
	h := read[api.RunHistogram](r.call(http.MethodGet, "/api/v1/runs/histogram?deployment=other", "").is(http.StatusOK))
	if len(h.Buckets) != 24 || h.Bucket != "1h" || h.Buckets[23].To != h.To {
		t.Fatalf("without a range: %d buckets of %s", len(h.Buckets), h.Bucket)
	}
	var failed int64
	for _, b := range h.Buckets {
		for _, c := range b.Counts {
			if c.Category != nil && *c.Category == api.CategoryApp {
				failed += c.Count
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d runs failed by themselves, want 1", failed)
	}
	week := read[api.RunHistogram](r.call(http.MethodGet, "/api/v1/runs/histogram?from="+param(time.Now().AddDate(0, 0, -7)),
		"").is(http.StatusOK))
	if week.Bucket != "1d" || len(week.Buckets) < 7 {
		t.Errorf("a week has %d buckets of %s", len(week.Buckets), week.Bucket)
	}
}

func param(at time.Time) string { return url.QueryEscape(at.UTC().Format(time.RFC3339Nano)) }

func TestHistogramRefusesWhatItCannotCount(t *testing.T) {
	t.Parallel()
	r := start(t)
	for query, want := range map[string]int{
		"bucket=2h":     http.StatusBadRequest,
		"deployment=no": http.StatusNotFound,
		"pool=no":       http.StatusNotFound,
		"from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z":           http.StatusBadRequest,
		"from=2026-01-02T00:00:00Z&to=2026-03-02T00:00:00Z&bucket=1h": http.StatusBadRequest,
		"from=1999-01-02T00:00:00Z&to=2026-03-02T00:00:00Z":           http.StatusBadRequest,
	} {
		r.call(http.MethodGet, "/api/v1/runs/histogram?"+query, "").is(want)
	}
	const last = "?from=9999-12-31T22:30:00Z&to=9999-12-31T23:30:00Z" // widened, it would end in a year that JSON cannot say
	for _, path := range []string{"/api/v1/runs/histogram", "/api/v1/schedules/slots"} {
		r.call(http.MethodGet, path+last, "").is(http.StatusOK)
	}
}

func TestLimitedKeySeesTheHistogramOfItsPools(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"theirs","type":"process"}`).is(http.StatusCreated)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"theirs","pool":"theirs"}]}`).is(http.StatusOK)
	run := r.startRun("theirs", `{}`)
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	key := r.makeKey("limited", api.RoleViewer, "local")
	h := read[api.RunHistogram](r.send(r.request(key, http.MethodGet, "/api/v1/runs/histogram", "")).is(http.StatusOK))
	for _, b := range h.Buckets {
		if len(b.Counts) > 0 {
			t.Errorf("a key of another pool sees %+v", b)
		}
	}
	r.send(r.request(key, http.MethodGet, "/api/v1/deployments/theirs/statistics", "")).is(http.StatusNotFound)
}

func TestStatisticsOfADeploymentSayHowItsRunsWent(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	none := read[api.DeploymentStatistics](r.call(http.MethodGet, "/api/v1/deployments/etl/statistics", "").is(http.StatusOK))
	if none.Failing != nil || none.Duration.P50Seconds != nil || none.Wait.Runs != 0 || len(none.ByState) != 0 {
		t.Errorf("without runs: %+v", none)
	}
	w := r.newWorker("w1")
	for i := range 4 {
		r.startRun("etl", `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, []int32{0, 0, 0, 1}[i], "")
	}
	got := read[api.DeploymentStatistics](r.call(http.MethodGet, "/api/v1/deployments/etl/statistics?from="+
		param(time.Now().Add(-time.Hour)), "").is(http.StatusOK))
	if got.ByState["COMPLETED"] != 3 || got.ByState["FAILED"] != 1 || got.Failing == nil || *got.Failing != 0.25 {
		t.Errorf("got %+v", got)
	}
	queues := read[api.WorkQueueList](r.call(http.MethodGet, localPool+"/queues", "").is(http.StatusOK)).Items
	queues = append(queues, read[api.WorkQueue](r.call(http.MethodGet, localPool+"/queues/default", "").is(http.StatusOK)))
	for _, q := range queues {
		if q.Wait == nil || q.Wait.Runs != 4 || q.Wait.P95Seconds == nil || q.Waiting == nil || *q.Waiting != 0 {
			t.Errorf("the queue has %+v", q)
		}
	}
	if got.Duration.Runs != 3 || got.Wait.Runs != 4 || got.Duration.P95Seconds == nil || got.Wait.P95Seconds == nil {
		t.Errorf("durations %+v, waits %+v", got.Duration, got.Wait)
	}
}
