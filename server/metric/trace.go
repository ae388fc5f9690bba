package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Traces counts the spans that this server sends.
type Traces struct {
	ends     *prometheus.CounterVec
	rejected prometheus.Counter
}

// NewTraces registers the metrics of traces.
func NewTraces(r prometheus.Registerer) *Traces {
	f := promauto.With(r)
	m := &Traces{
		ends: f.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_trace_ends_total",
			Help: "Ends of attempts and runs whose spans were exported, not taken and retried later, or dropped.",
		}, []string{"result"}),
		rejected: f.NewCounter(prometheus.CounterOpts{
			Name: "berth_trace_spans_rejected_total",
			Help: "Spans that the receiver of traces did not want from a request that it took.",
		}),
	}
	for _, result := range []string{"exported", "retried", "dropped"} {
		m.ends.WithLabelValues(result)
	}
	return m
}

// Ends counts ends.
func (m *Traces) Ends(result string, n int) { m.ends.WithLabelValues(result).Add(float64(n)) }

// Rejected counts spans that the receiver did not want.
func (m *Traces) Rejected(spans int64) { m.rejected.Add(float64(spans)) }
