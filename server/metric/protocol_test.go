package metric

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// values returns the values of counters and the sums of histograms, by name and labels.
func values(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			key := family.GetName()
			for _, label := range series.GetLabel() {
				key += " " + label.GetValue()
			}
			got[key] = series.GetCounter().GetValue() + series.GetHistogram().GetSampleSum()
			if family.GetType() == dto.MetricType_HISTOGRAM && series.GetHistogram().GetSampleCount() == 0 {
				delete(got, key)
			}
		}
	}
	return got
}

func TestReportedChangesAreCountedAndTimed(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry)
	seconds := func(n time.Duration) *time.Duration { n *= time.Second; return &n }
	p.ObserveReports([]store.ReportResult{
		{
			Status: store.ReportAccepted,
			Change: &store.AttemptChange{Pool: "p", Dispatched: seconds(3), Run: lifecycle.Pending},
		},
		{
			Status: store.ReportAccepted,
			Change: &store.AttemptChange{Pool: "p", Started: seconds(5), Run: lifecycle.Running},
		},
		{Status: store.ReportAccepted, Change: &store.AttemptChange{
			Pool: "p", Ran: seconds(7), Recorded: seconds(2),
			Outcome: &lifecycle.Outcome{Category: lifecycle.OOM}, Run: lifecycle.Scheduled,
		}},
		{Status: store.ReportAccepted}, // a repeated report changes nothing
		{Status: store.ReportDuplicateJob},
		{Status: store.ReportStale},
	})
	p.ObserveClaims([]store.Claim{
		{Takeover: true}, {Takeover: true, Repeated: true}, {}, {Pool: "p", Waited: seconds(9)}, {Pool: "p", Waited: seconds(1)},
		{Pool: "p", Waited: seconds(1), Repeated: true},
	}, 2*time.Second)

	got := values(t, registry)
	for key, want := range map[string]float64{
		"berth_run_dispatch_seconds p": 3, "berth_run_startup_seconds p": 5, "berth_run_duration_seconds p FAILED": 7,
		"berth_run_recording_seconds p": 2, "berth_attempts_total oom failed p": 1, "berth_duplicates_refused_total": 1,
		"berth_lease_takeovers_total": 1, "berth_run_claim_seconds p": 3,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v in %v", key, got[key], want, got)
		}
	}
}

func TestUnknownCategoryIsCountedAsUnknown(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry)
	p.ObserveReports([]store.ReportResult{{Status: store.ReportAccepted, Change: &store.AttemptChange{
		Pool: "p", Outcome: &lifecycle.Outcome{Category: "gremlins"}, Run: lifecycle.Crashed,
	}}})
	if got := values(t, registry)["berth_attempts_total unknown failed p"]; got != 1 {
		t.Errorf("values = %v", got)
	}
}

// TestAFirstFailureIsAnIncrease compares the series of pools with what they have after events.
func TestAFirstFailureIsAnIncrease(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry)
	p.SetPools([]string{"a", "b"})
	p.SetPools([]string{"b", "c"})
	got := values(t, registry)
	for _, category := range api.Categories() {
		if !category.Valid() {
			t.Errorf("there is no category %q", category)
		}
		for pool, want := range map[string]bool{"a": false, "b": true, "c": true} {
			if _, there := got["berth_attempts_total "+string(category)+" failed "+pool]; there != want {
				t.Errorf("pool %s has a series for %s: %v", pool, category, there)
			}
		}
	}
	before := len(got)
	for _, category := range api.Categories() {
		p.ObserveReports([]store.ReportResult{{Status: store.ReportAccepted, Change: &store.AttemptChange{
			Pool: "b", Outcome: &lifecycle.Outcome{Category: category}, Run: lifecycle.Crashed,
		}}})
	}
	if after := len(values(t, registry)); after != before {
		t.Errorf("failures made %d series", after-before)
	}
}

func TestHistogramsAreNativeAndClassicWithRunsAsExemplars(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry)
	run, took := uuid.New(), 26*time.Hour
	p.ObserveReports([]store.ReportResult{{Status: store.ReportAccepted, Change: &store.AttemptChange{
		Pool: "p", RunID: run, Ran: &took, Outcome: &lifecycle.Outcome{Succeeded: true}, Run: lifecycle.Completed,
	}}})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "berth_run_duration_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		if h.Schema == nil || len(h.GetPositiveSpan()) == 0 {
			t.Error("the histogram is not native")
		}
		last := h.GetBucket()[len(h.GetBucket())-1]
		if last.GetUpperBound() != (7 * 24 * time.Hour).Seconds() {
			t.Errorf("the last edge is %v", last.GetUpperBound())
		}
		for _, b := range h.GetBucket() {
			if e := b.GetExemplar(); e != nil {
				if e.GetLabel()[0].GetValue() != run.String() || b.GetUpperBound() != (72*time.Hour).Seconds() {
					t.Errorf("exemplar %v below %v", e, b.GetUpperBound())
				}
				return
			}
		}
	}
	t.Error("there is no exemplar")
}
