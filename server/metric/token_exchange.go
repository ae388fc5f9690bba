package metric

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// TokenExchange counts exchanges of tokens for keys at this server.
type TokenExchange struct{ total *prometheus.CounterVec }

// NewTokenExchange registers the metrics of exchanges.
func NewTokenExchange(r prometheus.Registerer) *TokenExchange {
	m := &TokenExchange{total: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "berth_token_exchanges_total",
		Help: "Exchanges of tokens of other issuers for API keys by result (ok, refused by the trust rules, invalid token, unreachable issuer, failed).",
	}, []string{"result"})}
	for _, result := range []string{"ok", "refused", "invalid", "unreachable", "failed"} {
		m.total.WithLabelValues(result)
	}
	return m
}

// Exchange counts one.
func (m *TokenExchange) Exchange(result string) { m.total.WithLabelValues(result).Inc() }
