package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Webhooks counts the deliveries of webhooks of this server.
type Webhooks struct{ total *prometheus.CounterVec }

// NewWebhooks registers the metrics of webhooks.
func NewWebhooks(r prometheus.Registerer) *Webhooks {
	m := &Webhooks{total: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "berth_webhook_deliveries_total",
		Help: "Attempts to deliver an event to a webhook by outcome (delivered, retried later, failed for good), and events that were dropped because too many waited.",
	}, []string{"outcome"})}
	for _, outcome := range []string{"delivered", "retried", "failed", "dropped"} {
		m.total.WithLabelValues(outcome)
	}
	return m
}

// Delivery counts some.
func (m *Webhooks) Delivery(outcome string, n int) { m.total.WithLabelValues(outcome).Add(float64(n)) }
