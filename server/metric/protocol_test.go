package metric

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

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
	p.ObserveClaims([]store.Claim{{Takeover: true}, {Takeover: true, Repeated: true}, {}})

	got := values(t, registry)
	for key, want := range map[string]float64{
		"berth_run_dispatch_seconds p": 3, "berth_run_startup_seconds p": 5, "berth_run_duration_seconds p FAILED": 7,
		"berth_run_recording_seconds p": 2, "berth_attempts_total oom failed p": 1, "berth_duplicates_refused_total": 1,
		"berth_lease_takeovers_total": 1,
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
