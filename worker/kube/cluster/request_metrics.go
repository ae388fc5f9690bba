package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

// requestMetrics counts and times requests to the API server. Names and labels are those of Kubernetes' own
// components, so that their dashboards show workers as well. It wraps the transport of one client, because
// client-go's own hooks are global to the process.
type requestMetrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequestMetrics(registerer prometheus.Registerer) (requestMetrics, error) {
	total, err := RegisterMetric(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_client_requests_total",
		Help: "Requests to the API server, by status code (<error> without an answer), method and host.",
	}, []string{"code", "method", "host"}))
	if err != nil {
		return requestMetrics{}, err
	}
	seconds, err := RegisterMetric(registerer, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rest_client_request_duration_seconds",
		Help:    "Time until the API server began to answer, by method and host.",
		Buckets: prometheus.ExponentialBuckets(0.001, 3, 10), // 1 ms to 20 s
	}, []string{"verb", "host"}))
	return requestMetrics{total: total, seconds: seconds}, err
}

// instrument returns a copy of the client configuration whose requests are counted.
func (m requestMetrics) instrument(config *rest.Config) *rest.Config {
	counted := rest.CopyConfig(config)
	counted.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &countingTransport{next: next, metrics: m}
	})
	return counted
}

type countingTransport struct {
	next    http.RoundTripper
	metrics requestMetrics
}

// RoundTrip implements http.RoundTripper.
func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	response, err := t.next.RoundTrip(r)
	code := "<error>"
	if err == nil {
		code = strconv.Itoa(response.StatusCode)
	}
	t.metrics.total.WithLabelValues(code, r.Method, r.URL.Host).Inc()
	t.metrics.seconds.WithLabelValues(r.Method, r.URL.Host).Observe(time.Since(start).Seconds())
	return response, err
}

// WrappedRoundTripper lets client-go find the transport below, to close and to upgrade its connections.
func (t *countingTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// RegisterMetric registers the collector, or returns the equal one that another part of this process has
// registered. Without a registerer it returns the collector unregistered.
func RegisterMetric[T prometheus.Collector](registerer prometheus.Registerer, c T) (T, error) {
	if registerer == nil {
		return c, nil
	}
	err := registerer.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(T); ok {
			return existing, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}
