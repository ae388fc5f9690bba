package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// SignIn counts sign-ins of people at this server.
type SignIn struct{ total *prometheus.CounterVec }

// NewSignIn registers the metrics of sign-ins.
func NewSignIn(r prometheus.Registerer) *SignIn {
	m := &SignIn{total: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "berth_sign_ins_total",
		Help: "Sign-ins of people by flow (browser, device, recheck of groups) and result (ok, refused, failed, unreachable).",
	}, []string{"flow", "result"})}
	for _, flow := range []string{"browser", "device", "recheck"} {
		for _, result := range []string{"ok", "refused", "failed", "unreachable"} {
			m.total.WithLabelValues(flow, result)
		}
	}
	return m
}

// SignIn counts one.
func (m *SignIn) SignIn(flow, result string) { m.total.WithLabelValues(flow, result).Inc() }
