package worker

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/prepare"
)

// metrics of a worker. Their names are an interface; their labels are bounded.
type metrics struct {
	pool           string
	renderSeconds  *prometheus.HistogramVec // engine
	templateErrors *prometheus.CounterVec   // pool, kind
	attempts       *prometheus.CounterVec   // pool, outcome, category
	evictions      *prometheus.CounterVec   // pool, reason
	reports        *prometheus.CounterVec   // kind, status
	logBytes       prometheus.Counter
}

func newMetrics(
	registry *prometheus.Registry,
	pool, version string,
	active, truncated func() float64,
) (*metrics, error) {
	r := registrar{registry: registry}
	m := &metrics{
		pool: pool,
		renderSeconds: register(&r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_template_render_seconds",
			Help:    "Time to render a template.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10),
		}, []string{"engine"})),
		templateErrors: register(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_template_errors_total",
			Help: "Attempts that ended because of their template, by what failed.",
		}, []string{"pool", "kind"})),
		attempts: register(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_worker_attempts_total",
			Help: "Attempts whose outcome this worker has recorded at the server.",
		}, []string{"pool", "outcome", "category"})),
		evictions: register(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_worker_evictions_total",
			Help: "Attempts that the infrastructure took away.",
		}, []string{"pool", "reason"})),
		reports: register(&r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_worker_reports_total",
			Help: "Reports that the server has answered.",
		}, []string{"kind", "status"})),
		logBytes: register(&r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "berth_worker_log_bytes_total",
			Help: "Bytes of output that the server has accepted from this worker.",
		})),
	}
	register(&r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "berth_worker_active_attempts",
		Help:        "Attempts that this worker holds.",
		ConstLabels: prometheus.Labels{"pool": pool},
	}, active))
	register(&r, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "berth_worker_output_truncated_total",
		Help: "Attempts whose output reached the limit of the worker: what they printed after it is lost.",
	}, truncated))
	register(&r, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "berth_build_info",
		Help: "Always 1. The labels describe the running binary.",
		ConstLabels: prometheus.Labels{
			"component": "worker",
			"version":   version,
			"goversion": runtime.Version(),
		},
	})).Set(1)
	register(&r, collectors.NewGoCollector())
	register(&r, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if r.err != nil {
		return nil, fmt.Errorf("register metrics: %w", r.err)
	}
	m.start()
	return m, nil
}

// start makes the series of the worker's pool, so that a first failure is an increase.
func (m *metrics) start() {
	m.attempts.WithLabelValues(m.pool, "succeeded", "")
	for _, category := range api.Categories() {
		m.attempts.WithLabelValues(m.pool, "failed", string(category))
		if held.TakenAway(category) {
			m.evictions.WithLabelValues(m.pool, string(category))
		}
	}
	for _, kind := range prepare.ErrorKinds() {
		m.templateErrors.WithLabelValues(m.pool, kind)
	}
}

// registrar registers metrics until the first error.
type registrar struct {
	registry *prometheus.Registry
	err      error
}

// register returns the collector, or an equal one that another part of this process has registered before.
func register[T prometheus.Collector](r *registrar, c T) T {
	err := r.registry.Register(c)
	var registered prometheus.AlreadyRegisteredError
	if errors.As(err, &registered) {
		if existing, ok := registered.ExistingCollector.(T); ok {
			return existing
		}
	}
	r.err = errors.Join(r.err, err)
	return c
}

func (m *metrics) rendered(engine string, took time.Duration) {
	m.renderSeconds.WithLabelValues(engine).Observe(took.Seconds())
}

func (m *metrics) templateFailed(kind string) {
	m.templateErrors.WithLabelValues(m.pool, kind).Inc()
}

func (m *metrics) report(r api.Report, status api.ReportResultStatus) {
	if !status.Valid() {
		status = "other"
	}
	m.reports.WithLabelValues(string(r.Kind), string(status)).Inc()
}

// ended counts an outcome that the server has recorded.
func (m *metrics) ended(pool string, r api.Report) {
	outcome := "failed"
	if r.Succeeded != nil && *r.Succeeded {
		outcome = "succeeded"
	}
	category := categoryOf(r)
	m.attempts.WithLabelValues(pool, outcome, category).Inc()
	if held.TakenAway(api.Category(category)) {
		m.evictions.WithLabelValues(pool, category).Inc()
	}
}
