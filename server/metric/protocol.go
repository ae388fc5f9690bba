// Package metric holds the server's Prometheus metrics. Their names and labels are an interface: dashboards
// and alerts are built on them. Labels are bounded, never an id.
package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Protocol counts and times what workers say. The store says what a report has changed, so that of all
// servers one counts it, once.
type Protocol struct {
	attempts   *prometheus.CounterVec
	errors     *prometheus.CounterVec
	takeovers  prometheus.Counter
	duplicates prometheus.Counter
	logBytes   prometheus.Counter
	dispatch   *prometheus.HistogramVec
	startup    *prometheus.HistogramVec
	duration   *prometheus.HistogramVec
	recording  *prometheus.HistogramVec
}

// NewProtocol registers the metrics.
func NewProtocol(r prometheus.Registerer) *Protocol {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	seconds := func(name, help string, labels ...string) *prometheus.HistogramVec {
		const smallest, factor, count = 0.005, 2.5, 16 // 5 ms to about an hour and a quarter
		return f.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(smallest, factor, count),
		}, labels)
	}
	return &Protocol{
		attempts: counters(
			"berth_attempts_total",
			"Attempts that have ended, by how.",
			"pool",
			"outcome",
			"category",
		),
		errors: counters(
			"berth_template_errors_total",
			"Attempts that ended because their template could not be rendered, or made no valid Job.",
			"pool",
			"kind",
		),
		takeovers: counter(
			"berth_lease_takeovers_total",
			"Attempts taken over by a worker after another one's lease had run out.",
		),
		duplicates: counter(
			"berth_duplicates_refused_total",
			"Jobs refused because their attempt already had another one.",
		),
		logBytes: counter("berth_log_bytes_total", "Output received from workers, in bytes."),
		dispatch: seconds(
			"berth_run_dispatch_seconds",
			"From when a run was due until its first Job was created.",
			"pool",
		),
		startup: seconds(
			"berth_run_startup_seconds",
			"From when a Job was created until its container ran.",
			"pool",
		),
		duration: seconds(
			"berth_run_duration_seconds",
			"From when a container ran until its attempt ended, by what that made of the run.",
			"pool",
			"state",
		),
		recording: seconds(
			"berth_run_recording_seconds",
			"From when an attempt finished where it ran until that was recorded.",
			"pool",
		),
	}
}

// ObserveClaims counts what was handed out, but not what a repeated request was given again.
func (p *Protocol) ObserveClaims(claims []store.Claim) {
	for _, claim := range claims {
		if claim.Takeover && !claim.Again {
			p.takeovers.Inc()
		}
	}
}

// ObserveReports counts and times what reports have changed.
func (p *Protocol) ObserveReports(results []store.ReportResult) {
	for _, result := range results {
		if result.Status == store.ReportDuplicateJob {
			p.duplicates.Inc()
		}
		if result.Change != nil {
			p.changed(*result.Change)
		}
	}
}

func (p *Protocol) changed(c store.Change) {
	observe(p.dispatch, c.Dispatched, c.Pool)
	observe(p.startup, c.Started, c.Pool)
	observe(p.recording, c.Recorded, c.Pool)
	if c.Outcome == nil {
		return
	}
	outcome, category, state := "succeeded", "", lifecycle.Completed
	if !c.Outcome.Succeeded {
		outcome, category, state = "failed", bounded(c.Outcome.Category), stateOf(c.Outcome.Category)
	}
	if c.Run.Terminal() {
		state = c.Run
	}
	p.attempts.WithLabelValues(c.Pool, outcome, category).Inc()
	switch c.Outcome.Category {
	case lifecycle.Template, lifecycle.Invalid:
		p.errors.WithLabelValues(c.Pool, category).Inc()
	}
	observe(p.duration, c.Ran, c.Pool, string(state))
}

func observe(h *prometheus.HistogramVec, d *time.Duration, labels ...string) {
	if d != nil {
		h.WithLabelValues(labels...).Observe(d.Seconds())
	}
}

// bounded keeps a label to the categories there are.
func bounded(category lifecycle.Category) string {
	if api.Category(category).Valid() {
		return string(category)
	}
	return string(lifecycle.Unknown)
}

// stateOf is what the end of an attempt makes of its run where no retry is left.
func stateOf(category lifecycle.Category) lifecycle.StateType {
	switch category {
	case lifecycle.App, lifecycle.OOM, lifecycle.Deadline:
		return lifecycle.Failed
	case lifecycle.CancelledEnd:
		return lifecycle.Cancelled
	}
	return lifecycle.Crashed
}

// AddLogBytes counts output.
func (p *Protocol) AddLogBytes(bytes int) { p.logBytes.Add(float64(bytes)) }
