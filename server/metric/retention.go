package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/store"
)

// Retention counts what this server removed after its retention period.
type Retention struct {
	partitionsEnd prometheus.Gauge

	runs, runPartitions, chunks, partitions, objects, audit, sessions, approvals, deleted, deliveries, statistics prometheus.Counter
}

// NewRetention registers the metrics of retention.
func NewRetention(r prometheus.Registerer) *Retention {
	removed := promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "berth_retention_removed_total",
		Help: "Objects removed after their retention period, by kind.",
	}, []string{"kind"})
	return &Retention{
		partitionsEnd: promauto.With(r).NewGauge(prometheus.GaugeOpts{
			Name: "berth_run_partitions_end_seconds",
			Help: "Time up to which partitions of runs were made, as a Unix timestamp; 0 if runs are not partitioned.",
		}),
		runPartitions: removed.WithLabelValues("run_partitions"),
		runs:          removed.WithLabelValues("runs"), chunks: removed.WithLabelValues("log_chunks"),
		partitions: removed.WithLabelValues("log_partitions"), audit: removed.WithLabelValues("audit"),
		sessions: removed.WithLabelValues("sessions"), approvals: removed.WithLabelValues("approvals"),
		objects: removed.WithLabelValues("output_objects"), deleted: removed.WithLabelValues("deleted"),
		deliveries: removed.WithLabelValues("webhook_deliveries"), statistics: removed.WithLabelValues("statistics"),
	}
}

// Add counts removed objects.
func (m *Retention) Add(r store.Expired) {
	m.runs.Add(float64(r.Runs))
	m.runPartitions.Add(float64(r.RunPartitions))
	m.chunks.Add(float64(r.LogChunks))
	m.partitions.Add(float64(r.LogPartitions))
	m.objects.Add(float64(r.OutputObjects))
	m.audit.Add(float64(r.Audit))
	m.sessions.Add(float64(r.Sessions))
	m.deleted.Add(float64(r.Deleted))
	m.approvals.Add(float64(r.Approvals))
	m.deliveries.Add(float64(r.Deliveries))
	m.statistics.Add(float64(r.Statistics))
}

// SetLayout says up to when partitions of runs were made.
func (m *Retention) SetLayout(l store.RunLayout) {
	m.partitionsEnd.Set(0)
	if l.Partitions > 0 {
		m.partitionsEnd.Set(float64(l.Until.Unix()))
	}
}
