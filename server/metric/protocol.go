// Package metric holds the server's Prometheus metrics. Their names and labels are an interface: dashboards and alerts
// are built on them. Labels are bounded, never an id.
package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Protocol counts what workers say.
type Protocol struct {
	attempts   *prometheus.CounterVec
	takeovers  prometheus.Counter
	duplicates prometheus.Counter
	logBytes   prometheus.Counter
}

// NewProtocol registers the metrics.
func NewProtocol(r prometheus.Registerer) *Protocol {
	f := promauto.With(r)
	return &Protocol{
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_attempts_total", Help: "Attempts that have ended, by how.",
		}, []string{"pool", "outcome", "category"}),
		takeovers: f.NewCounter(prometheus.CounterOpts{
			Name: "berth_lease_takeovers_total", Help: "Attempts taken over by a worker after another one's lease had run out.",
		}),
		duplicates: f.NewCounter(prometheus.CounterOpts{
			Name: "berth_duplicates_refused_total", Help: "Jobs refused because the attempt already had another one.",
		}),
		logBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "berth_log_bytes_total", Help: "Output received from workers, in bytes.",
		}),
	}
}

// Claimed counts what was handed out.
func (p *Protocol) Claimed(claims []store.Claim) {
	for _, claim := range claims {
		if claim.Takeover {
			p.takeovers.Inc()
		}
	}
}

// Reported counts what was recorded.
func (p *Protocol) Reported(pool string, reports []store.Report, results []store.ReportResult) {
	for i, result := range results {
		switch {
		case result.Status == store.ReportDuplicateJob:
			p.duplicates.Inc()
		case result.Status == store.ReportAccepted && reports[i].Kind == store.ReportEnded:
			outcome, category := "failed", bounded(reports[i].Outcome.Category)
			if reports[i].Outcome.Succeeded {
				outcome, category = "succeeded", ""
			}
			p.attempts.WithLabelValues(pool, outcome, category).Inc()
		}
	}
}

// Logged counts output.
func (p *Protocol) Logged(bytes int) { p.logBytes.Add(float64(bytes)) }

// bounded keeps a label to the categories there are.
func bounded(category lifecycle.Category) string {
	if api.Category(category).Valid() {
		return string(category)
	}
	return string(lifecycle.Unknown)
}
