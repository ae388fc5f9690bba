package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Declared says how the files stand that the server applies by itself.
type Declared struct {
	failing, applied *prometheus.GaugeVec
}

// NewDeclared registers the metrics of declared files.
func NewDeclared(r prometheus.Registerer) *Declared {
	return &Declared{
		failing: promauto.With(r).NewGaugeVec(prometheus.GaugeOpts{
			Name: "berth_apply_failing",
			Help: "1 if a file that the server applies by itself is refused as it is now, so that what it declared before still counts; else 0.",
		}, []string{"file"}),
		applied: promauto.With(r).NewGaugeVec(prometheus.GaugeOpts{
			Name: "berth_apply_last_success_timestamp_seconds",
			Help: "When a file that the server applies by itself was last found applied, in Unix time.",
		}, []string{"file"}),
	}
}

// Failed says that a file is refused.
func (m *Declared) Failed(file string) { m.failing.WithLabelValues(file).Set(1) }

// Applied says that a file is applied.
func (m *Declared) Applied(file string, at time.Time) {
	m.failing.WithLabelValues(file).Set(0)
	m.applied.WithLabelValues(file).Set(float64(at.Unix()))
}

// Delete takes away the series of a file that is no longer declared.
func (m *Declared) Delete(file string) {
	m.failing.DeleteLabelValues(file)
	m.applied.DeleteLabelValues(file)
}
