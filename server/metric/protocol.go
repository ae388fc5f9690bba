// Package metric holds the server's Prometheus metrics. Their names and labels are an interface: dashboards and alerts
// are built on them. Labels are bounded, never an id.
package metric

import (
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Protocol counts and times what workers say. Times between two reports are measured where both came to this server, which
// is the rule: a worker keeps its connection.
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

	now func() time.Time

	mu      sync.Mutex
	flights map[uuid.UUID]flight
	ended   map[uuid.UUID]struct{}
}

// flight is what is known of an attempt between its reports.
type flight struct{ due, submitted, running time.Time }

// remember bounds what is known of attempts; beyond it some times are not measured.
const remember = 100_000

// NewProtocol registers the metrics.
func NewProtocol(r prometheus.Registerer, now func() time.Time) *Protocol {
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
		attempts:   counters("berth_attempts_total", "Attempts that have ended, by how.", "pool", "outcome", "category"),
		errors:     counters("berth_template_errors_total", "Attempts that ended because their template could not be rendered, or made no valid Job.", "pool", "kind"),
		takeovers:  counter("berth_lease_takeovers_total", "Attempts taken over by a worker after another one's lease had run out."),
		duplicates: counter("berth_duplicates_refused_total", "Jobs refused because their attempt already had another one."),
		logBytes:   counter("berth_log_bytes_total", "Output received from workers, in bytes."),
		dispatch:   seconds("berth_run_dispatch_seconds", "From when a run was due until its first Job was created.", "pool"),
		startup:    seconds("berth_run_startup_seconds", "From when a Job was created until its container ran.", "pool"),
		duration:   seconds("berth_run_duration_seconds", "From when a container ran until its attempt ended, by what that made of the run.", "pool", "state"),
		recording:  seconds("berth_run_recording_seconds", "From when an attempt finished where it ran until that was recorded.", "pool"),
		now:        now, flights: map[uuid.UUID]flight{}, ended: map[uuid.UUID]struct{}{},
	}
}

// Claimed notes what was handed out.
func (p *Protocol) Claimed(claims []store.Claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, claim := range claims {
		if claim.Takeover {
			p.takeovers.Inc()
		}
		if _, known := p.flights[claim.AttemptID]; known || len(p.flights) >= remember {
			continue
		}
		var begun flight
		if claim.Attempt == 1 && !claim.Takeover { // later attempts were due when the one before had ended
			begun.due = claim.ScheduledTime
		}
		p.flights[claim.AttemptID] = begun
	}
}

// Reported notes what was recorded.
func (p *Protocol) Reported(pool string, reports []store.Report, results []store.ReportResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, result := range results {
		switch result.Status {
		case store.ReportDuplicateJob:
			p.duplicates.Inc()
		case store.ReportAccepted:
			p.accepted(pool, reports[i])
		}
	}
}

func (p *Protocol) accepted(pool string, report store.Report) {
	at := p.now()
	if report.At != nil {
		at = *report.At
	}
	seen, known := p.flights[report.AttemptID]
	switch report.Kind {
	case store.ReportSubmitted:
		if known && seen.submitted.IsZero() {
			observe(p.dispatch.WithLabelValues(pool), seen.due, at)
			seen.submitted = at
			p.flights[report.AttemptID] = seen
		}
	case store.ReportRunning:
		if known && seen.running.IsZero() {
			observe(p.startup.WithLabelValues(pool), seen.submitted, at)
			seen.running = at
			p.flights[report.AttemptID] = seen
		}
	case store.ReportHandedBack:
		delete(p.flights, report.AttemptID)
	case store.ReportEnded:
		delete(p.flights, report.AttemptID)
		p.end(pool, report, seen.running, at)
	}
}

// end counts the end of an attempt once, however often it is reported.
func (p *Protocol) end(pool string, report store.Report, running, at time.Time) {
	if _, again := p.ended[report.AttemptID]; again {
		return
	}
	if len(p.ended) >= remember {
		clear(p.ended)
	}
	p.ended[report.AttemptID] = struct{}{}

	outcome, category, state := "succeeded", "", lifecycle.Completed
	if !report.Outcome.Succeeded {
		outcome, category, state = "failed", bounded(report.Outcome.Category), stateOf(report.Outcome.Category)
	}
	p.attempts.WithLabelValues(pool, outcome, category).Inc()
	switch report.Outcome.Category {
	case lifecycle.Template, lifecycle.Invalid:
		p.errors.WithLabelValues(pool, category).Inc()
	}
	observe(p.duration.WithLabelValues(pool, string(state)), running, at)
	if report.At != nil {
		observe(p.recording.WithLabelValues(pool), *report.At, p.now())
	}
}

// observe measures from one time to another; clocks of two machines may disagree, but nothing takes less than no time.
func observe(o prometheus.Observer, from, to time.Time) {
	if !from.IsZero() {
		o.Observe(max(0, to.Sub(from).Seconds()))
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

// Logged counts output.
func (p *Protocol) Logged(bytes int) { p.logBytes.Add(float64(bytes)) }
