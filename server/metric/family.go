package metric

import (
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// family registers metrics of the same kinds.
type family struct{ promauto.Factory }

func newFamily(r prometheus.Registerer) family { return family{promauto.With(r)} }

func (f family) counter(name, help string) prometheus.Counter {
	return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func (f family) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// nativeFactor, nativeBuckets and nativeReset are of native histograms, which Prometheus keeps beside the edges below if it is
// told to: each bucket is a tenth wider than the one before.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
	nativeReset   = time.Hour
)

// seconds registers a histogram of durations, from 5 ms to seven days. 1 and 10 seconds are objectives (docs/metrics.md).
func (f family) seconds(name, help string, labels ...string) *prometheus.HistogramVec {
	return f.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets: []float64{
			.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600,
			24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600,
		},
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}, labels)
}

// observeRun adds a duration, unless it is nil, with the run as exemplar.
func observeRun(h *prometheus.HistogramVec, d *time.Duration, run uuid.UUID, labels ...string) {
	if d == nil {
		return
	}
	observer := h.WithLabelValues(labels...)
	exemplars, ok := observer.(prometheus.ExemplarObserver)
	if !ok || run == uuid.Nil {
		observer.Observe(d.Seconds())
		return
	}
	exemplars.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"run_id": run.String()})
}
