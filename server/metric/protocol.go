// Package metric defines the server's Prometheus metrics. Their names and labels are an interface, because
// dashboards and alerts use them. Label values come from bounded sets and are never IDs.
package metric

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/api"
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
	claim      *prometheus.HistogramVec
	dispatch   *prometheus.HistogramVec
	startup    *prometheus.HistogramVec
	duration   *prometheus.HistogramVec
	recording  *prometheus.HistogramVec
	slots      *prometheus.HistogramVec

	mu    sync.Mutex
	pools map[string]bool // with series, so that their first event is an increase
}

// NewProtocol registers the metrics of the worker protocol.
func NewProtocol(r prometheus.Registerer) *Protocol {
	f := newFamily(r)
	return &Protocol{
		pools: map[string]bool{},
		attempts: f.counters("berth_attempts_total",
			"Attempts that have ended, by outcome and category.", "pool", "outcome", "category"),
		errors: f.counters(
			"berth_template_errors_total",
			"Attempts that ended because their template could not be rendered or the cluster rejected the Job.",
			"pool",
			"kind",
		),
		takeovers: f.counter("berth_lease_takeovers_total",
			"Attempts that a worker took over after the lease of another worker expired."),
		duplicates: f.counter("berth_duplicates_refused_total",
			"Jobs refused because their attempt already had another Job."),
		logBytes: f.counter("berth_log_bytes_total", "Bytes of output received from workers."),
		claim: f.seconds("berth_run_claim_seconds",
			"Seconds from when a run could be claimed (due, within all limits, and a worker asking) until it was.", "pool"),
		dispatch: f.seconds("berth_run_dispatch_seconds",
			"Seconds from when a run was due until its first Job was created.", "pool"),
		startup: f.seconds("berth_run_startup_seconds",
			"Seconds from the creation of a Job until its container ran.", "pool"),
		duration: f.seconds("berth_run_duration_seconds",
			"Seconds from when a container ran until its attempt ended, by the resulting state of the run.",
			"pool", "state"),
		recording: f.seconds("berth_run_recording_seconds",
			"Seconds from when an attempt finished in the cluster until its outcome was recorded.", "pool"),
		slots: f.seconds("berth_schedule_delay_seconds",
			"Seconds from when a schedule was to create a run until it did.", "pool"),
	}
}

// SetPools gives every work pool its series, from 0 on, and takes those of pools that are gone.
func (p *Protocol) SetPools(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gone := p.pools
	p.pools = make(map[string]bool, len(names))
	for _, name := range names {
		p.pools[name] = true
		if gone[name] {
			delete(gone, name)
			continue
		}
		p.attempts.WithLabelValues(name, "succeeded", "")
		for _, category := range api.Categories() {
			p.attempts.WithLabelValues(name, "failed", string(category))
		}
		for _, category := range []lifecycle.Category{lifecycle.Template, lifecycle.Invalid} {
			p.errors.WithLabelValues(name, string(category))
		}
		for _, h := range []*prometheus.HistogramVec{p.claim, p.dispatch, p.startup, p.recording, p.slots} {
			h.WithLabelValues(name)
		}
	}
	for name := range gone {
		labels := prometheus.Labels{"pool": name}
		p.attempts.DeletePartialMatch(labels)
		p.errors.DeletePartialMatch(labels)
		for _, h := range []*prometheus.HistogramVec{p.claim, p.dispatch, p.startup, p.duration, p.recording, p.slots} {
			h.DeletePartialMatch(labels)
		}
	}
}

// ObserveClaims counts takeovers, and times claims: since the run was due, or since the worker's last claim that got nothing or the
// hint after it.
// Claims that repeat an earlier request are not counted again.
func (p *Protocol) ObserveClaims(claims []store.Claim, asking time.Duration) {
	for _, claim := range claims {
		if claim.Takeover && !claim.Repeated {
			p.takeovers.Inc()
		}
		if claim.Waited != nil && !claim.Repeated {
			took := min(max(*claim.Waited, 0), asking)
			observeRun(p.claim, &took, claim.RunID, claim.Pool)
		}
	}
}

// ObserveSlot times the creation of the run of a schedule.
func (p *Protocol) ObserveSlot(pool string, late time.Duration) {
	p.slots.WithLabelValues(pool).Observe(late.Seconds())
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
	observeRun(p.dispatch, c.Dispatched, c.RunID, c.Pool)
	observeRun(p.startup, c.Started, c.RunID, c.Pool)
	observeRun(p.recording, c.Recorded, c.RunID, c.Pool)
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
	observeRun(p.duration, c.Ran, c.RunID, c.Pool, string(state))
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
