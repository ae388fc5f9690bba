package cluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestEveryRequestToTheAPIServerIsCounted(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
	}))
	t.Cleanup(api.Close)
	registry := prometheus.NewRegistry()
	metrics, err := newRequestMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	config := metrics.instrument(&rest.Config{Host: api.URL, QPS: -1})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.BatchV1().Jobs("jobs").Delete(t.Context(), "job", metav1.DeleteOptions{}); err == nil {
		t.Error("the client did not return the conflict")
	}
	wantRequests(t, registry, "409 DELETE")
	api.Close()
	if _, err := client.BatchV1().Jobs("jobs").Get(t.Context(), "job", metav1.GetOptions{}); err == nil {
		t.Error("a closed server answered")
	}
	wantRequests(t, registry, "409 DELETE", "<error> GET")
}

// wantRequests checks that the counter has one request of each, and the histogram as many.
func wantRequests(t *testing.T, registry *prometheus.Registry, want ...string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var counted []string
	timed := uint64(0)
	for _, family := range families {
		for _, series := range family.GetMetric() {
			timed += series.GetHistogram().GetSampleCount()
			labels := map[string]string{}
			for _, label := range series.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			for range int(series.GetCounter().GetValue()) {
				counted = append(counted, labels["code"]+" "+labels["method"])
			}
		}
	}
	slices.Sort(counted)
	if !slices.Equal(counted, want) || timed != uint64(len(want)) {
		t.Errorf("counted %q, timed %d, want %q", counted, timed, want)
	}
}

// TestTwoClientsOfAProcessShareTheirMetrics covers `berth dev`, which has one registry for all its parts.
func TestTwoClientsOfAProcessShareTheirMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	first, err := newRequestMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	second, err := newRequestMetrics(registry)
	if err != nil || first.total != second.total {
		t.Errorf("two collectors for one metric; error %v", err)
	}
	taken := prometheus.NewRegistry()
	taken.MustRegister(
		prometheus.NewGauge(
			prometheus.GaugeOpts{Name: "rest_client_requests_total", Help: "a different metric"}),
	)
	if _, err := newRequestMetrics(taken); err == nil ||
		errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("the name of a different metric was accepted: %v", err)
	}
}
