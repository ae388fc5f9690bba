package jobclient

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/worker/kube/cluster"
)

// Metrics count how finalizers are taken off Jobs. The zero value counts nothing.
type Metrics struct {
	removals *prometheus.CounterVec
}

// Results of taking a finalizer off, as berth_finalizer_removals_total counts them.
const (
	resultReleased = "released" // it was taken off
	resultReplaced = "replaced" // one of an older release was replaced by ours
	resultAbsent   = "absent"   // the Job or the finalizer was gone already
	resultFailed   = "failed"
)

// NewMetrics registers the metrics, if there is a registerer.
func NewMetrics(registerer prometheus.Registerer) (Metrics, error) {
	removals, err := cluster.RegisterMetric(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "berth_finalizer_removals_total",
		Help: "Finalizers that were taken off Jobs, by result.",
	}, []string{"result"}))
	if err != nil {
		return Metrics{}, err
	}
	for _, result := range []string{resultReleased, resultReplaced, resultAbsent, resultFailed} {
		removals.WithLabelValues(result)
	}
	return Metrics{removals: removals}, nil
}

// CountAbsent counts a finalization for which there was no Job.
func (m Metrics) CountAbsent() { m.count(resultAbsent) }

func (m Metrics) count(result string) {
	if m.removals != nil {
		m.removals.WithLabelValues(result).Inc()
	}
}
