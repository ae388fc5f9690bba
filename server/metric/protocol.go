// Package metric defines the server's Prometheus metrics. Their names and labels are an interface, because
// dashboards and alerts use them. Label values come from bounded sets and are never IDs.
package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Protocol counts and times the reports of workers. The store says what a report changed, so that a repeated
// report is counted once over all servers.
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

// NewProtocol registers the metrics of the worker protocol.
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
		attempts: counters("berth_attempts_total",
			"Attempts that have ended, by outcome and category.", "pool", "outcome", "category"),
		errors: counters(
			"berth_template_errors_total",
			"Attempts that ended because their template could not be rendered or the cluster rejected the Job.",
			"pool",
			"kind",
		),
		takeovers: counter("berth_lease_takeovers_total",
			"Attempts that a worker took over after the lease of another worker expired."),
		duplicates: counter("berth_duplicates_refused_total",
			"Jobs refused because their attempt already had another Job."),
		logBytes: counter("berth_log_bytes_total", "Bytes of output received from workers."),
		dispatch: seconds("berth_run_dispatch_seconds",
			"Seconds from when a run was due until its first Job was created.", "pool"),
		startup: seconds("berth_run_startup_seconds",
			"Seconds from the creation of a Job until its container ran.", "pool"),
		duration: seconds("berth_run_duration_seconds",
			"Seconds from when a container ran until its attempt ended, by the resulting state of the run.",
			"pool", "state"),
		recording: seconds("berth_run_recording_seconds",
			"Seconds from when an attempt finished in the cluster until its outcome was recorded.", "pool"),
	}
}

// ObserveClaims counts takeovers. Claims that repeat an earlier request are not counted again.
func (p *Protocol) ObserveClaims(claims []store.Claim) {
	for _, claim := range claims {
		if claim.Takeover && !claim.Repeated {
			p.takeovers.Inc()
		}
	}
}

// ObserveReports counts and times what reports changed.
func (p *Protocol) ObserveReports(results []store.ReportResult) {
	for _, result := range results {
		if result.Status == store.ReportDuplicateJob {
			p.duplicates.Inc()
		}
		if result.Change != nil {
			p.observeChange(*result.Change)
		}
	}
}

func (p *Protocol) observeChange(c store.AttemptChange) {
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

// bounded replaces a category that is not in the API by unknown, so that a worker cannot add label values.
func bounded(category lifecycle.Category) string {
	if category.Valid() {
		return string(category)
	}
	return string(lifecycle.Unknown)
}

// stateOf returns the state of a run without retries left after an attempt of this category.
func stateOf(category lifecycle.Category) lifecycle.StateType {
	switch category {
	case lifecycle.App, lifecycle.OOM, lifecycle.Deadline:
		return lifecycle.Failed
	case lifecycle.CancelledEnd:
		return lifecycle.Cancelled
	}
	return lifecycle.Crashed
}

// AddLogBytes counts output received from workers.
func (p *Protocol) AddLogBytes(bytes int) { p.logBytes.Add(float64(bytes)) }
