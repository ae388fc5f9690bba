package kube

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	released *prometheus.CounterVec
}

// Results of taking a finalizer off, as berth_finalizer_removals_total counts them.
const (
	resultReleased = "released" // it was there and is not any more
	resultAbsent   = "absent"   // the Job or the finalizer was gone already
	resultFailed   = "failed"
)

func newMetrics(registerer prometheus.Registerer) (metrics, error) {
	m := metrics{released: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "berth_finalizer_removals_total",
		Help: "Finalizers that were taken off Jobs, by result.",
	}, []string{"result"})}
	for _, result := range []string{resultReleased, resultAbsent, resultFailed} {
		m.released.WithLabelValues(result)
	}
	if registerer == nil {
		return m, nil
	}
	if err := registerer.Register(m.released); err != nil {
		var already prometheus.AlreadyRegisteredError
		if !errors.As(err, &already) {
			return m, fmt.Errorf("register metrics: %w", err)
		}
		counter, ok := already.ExistingCollector.(*prometheus.CounterVec)
		if !ok {
			return m, fmt.Errorf("register metrics: %w", err)
		}
		m.released = counter
	}
	return m, nil
}
