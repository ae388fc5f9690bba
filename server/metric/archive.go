package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/store"
)

// OutputArchive counts what this server moved into the output archive.
type OutputArchive struct {
	up                          prometheus.Gauge
	waiting, failing, deletions prometheus.Gauge
	archived, failures, deleted prometheus.Counter
	bytes, stored               prometheus.Counter
}

// NewOutputArchive registers the metrics of the output archive.
func NewOutputArchive(r prometheus.Registerer) *OutputArchive {
	with := promauto.With(r)
	pending := with.NewGaugeVec(prometheus.GaugeOpts{
		Name: "berth_output_archive_pending",
		Help: "What waits for the output archive, by kind, up to 10,000 of each.",
	}, []string{"kind"})
	bytes := with.NewCounterVec(prometheus.CounterOpts{
		Name: "berth_output_archive_bytes_total",
		Help: "Bytes moved into the output archive: output as it was written, stored as it was compressed.",
	}, []string{"kind"})
	return &OutputArchive{
		up: with.NewGauge(prometheus.GaugeOpts{
			Name: "berth_output_archive_up",
			Help: "Whether the output archive worked when this server last used it.",
		}),
		waiting: pending.WithLabelValues("output"), failing: pending.WithLabelValues("failing"),
		deletions: pending.WithLabelValues("deletions"),
		archived: with.NewCounter(prometheus.CounterOpts{
			Name: "berth_output_archive_archived_total",
			Help: "Outputs of attempts moved into the output archive.",
		}),
		failures: with.NewCounter(prometheus.CounterOpts{
			Name: "berth_output_archive_failures_total",
			Help: "Failures to store or delete an object in the output archive; each is tried again.",
		}),
		deleted: with.NewCounter(prometheus.CounterOpts{
			Name: "berth_output_archive_deleted_total",
			Help: "Objects deleted from the output archive.",
		}),
		bytes: bytes.WithLabelValues("output"), stored: bytes.WithLabelValues("stored"),
	}
}

// SetUp says whether the archive works.
func (m *OutputArchive) SetUp(up bool) {
	m.up.Set(0)
	if up {
		m.up.Set(1)
	}
}

// SetWaiting says what waits for the archive.
func (m *OutputArchive) SetWaiting(s store.OutputStats) {
	m.waiting.Set(float64(s.Waiting))
	m.failing.Set(float64(s.Failing))
	m.deletions.Set(float64(s.Deletions))
}

// CountArchived counts an output that was moved into an object.
func (m *OutputArchive) CountArchived(output, object int64) {
	m.archived.Inc()
	m.bytes.Add(float64(output))
	m.stored.Add(float64(object))
}

// CountFailure counts a failure.
func (m *OutputArchive) CountFailure() { m.failures.Inc() }

// CountDeleted counts a deleted object.
func (m *OutputArchive) CountDeleted() { m.deleted.Inc() }
