package kube

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

// requests counts and times what is asked of the API server, under the names and labels that Kubernetes' own
// components have, so that dashboards made for these show workers as well. It is a transport of one client:
// client-go's own hooks are for the whole process.
type requests struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequests(registerer prometheus.Registerer) (requests, error) {
	total, err := register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_client_requests_total",
		Help: "Requests to the API server, by status code, method and host; the code is <error> where no answer came.",
	}, []string{"code", "method", "host"}))
	if err != nil {
		return requests{}, err
	}
	seconds, err := register(registerer, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "rest_client_request_duration_seconds",
		Help:    "Time until the API server began to answer, by method and host.",
		Buckets: prometheus.ExponentialBuckets(0.001, 3, 10), // 1 ms to 20 s
	}, []string{"verb", "host"}))
	return requests{total: total, seconds: seconds}, err
}

// seen returns the configuration of a client whose requests are counted.
func (m requests) seen(config *rest.Config) *rest.Config {
	changed := rest.CopyConfig(config)
	changed.Wrap(
		func(next http.RoundTripper) http.RoundTripper { return &countedTransport{next: next, requests: m} },
	)
	return changed
}

type countedTransport struct {
	next http.RoundTripper
	requests
}

// RoundTrip is http.RoundTripper's.
func (t *countedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	response, err := t.next.RoundTrip(r)
	code := "<error>"
	if err == nil {
		code = strconv.Itoa(response.StatusCode)
	}
	t.total.WithLabelValues(code, r.Method, r.URL.Host).Inc()
	t.seconds.WithLabelValues(r.Method, r.URL.Host).Observe(time.Since(start).Seconds())
	return response, err
}

// WrappedRoundTripper lets client-go find the transport below, to close its connections and to upgrade them.
func (t *countedTransport) WrappedRoundTripper() http.RoundTripper { return t.next }
