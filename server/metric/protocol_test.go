package metric

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// values reads what a registry shows: the value of counters, the sum of histograms, by name and labels.
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

func TestTimesBetweenReportsAreMeasuredOnce(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry, func() time.Time { return now })
	id := uuid.New()
	p.Claimed([]store.Claim{{AttemptID: id, Attempt: 1, ScheduledTime: now.Add(-3 * time.Second)}})
	tell := func(kind store.ReportKind, change func(*store.Report)) {
		report := store.Report{Lease: store.Lease{AttemptID: id, Epoch: 1}, Kind: kind}
		if change != nil {
			change(&report)
		}
		// Each twice: an answer may be lost.
		for range 2 {
			p.Reported("p", []store.Report{report}, []store.ReportResult{{Status: store.ReportAccepted}})
		}
	}
	tell(store.ReportSubmitted, nil)
	now = now.Add(5 * time.Second)
	tell(store.ReportRunning, nil)
	finished := now.Add(7 * time.Second)
	now = finished.Add(2 * time.Second)
	tell(store.ReportEnded, func(r *store.Report) { r.At, r.Outcome.Category = &finished, lifecycle.OOM })
	p.Reported("p", []store.Report{{}, {}}, []store.ReportResult{{Status: store.ReportDuplicateJob}, {Status: store.ReportStale}})

	got := values(t, registry)
	for key, want := range map[string]float64{
		"berth_run_dispatch_seconds p": 3, "berth_run_startup_seconds p": 5, "berth_run_duration_seconds p FAILED": 7,
		"berth_run_recording_seconds p": 2, "berth_attempts_total oom failed p": 1, "berth_duplicates_refused_total": 1,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v in %v", key, got[key], want, got)
		}
	}
}

func TestACategoryThatAWorkerInventsIsUnknown(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := NewProtocol(registry, time.Now)
	p.Reported("p", []store.Report{{Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Category: "gremlins"}}}, []store.ReportResult{{Status: store.ReportAccepted}})
	if got := values(t, registry)["berth_attempts_total unknown failed p"]; got != 1 {
		t.Errorf("counted %v", got)
	}
}
