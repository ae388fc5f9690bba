package metric

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestPanicIsAnsweredAndCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	var log strings.Builder
	fail := func(w http.ResponseWriter, _ *http.Request,
		_ error) {
		w.WriteHeader(http.StatusInternalServerError)
	}
	h := NewHTTP(registry, slog.New(slog.NewTextHandler(&log,
		nil))).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SetRoute(w, "/boom")
		if r.URL.Path == "/late" {
			w.WriteHeader(http.StatusOK)
		}
		panic("boom")
	}), fail)

	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("BREW", "/boom", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "boom") ||
		!strings.Contains(log.String(), "http_test.go") {
		t.Errorf("status %d, log %s", w.Code, log.String())
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("partially sent response was not aborted")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/late", nil))
	}()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, series := range families[0].GetMetric() {
		var labels []string
		for _, label := range series.GetLabel() {
			labels = append(labels, label.GetName()+"="+label.GetValue())
		}
		got[strings.Join(labels, ",")] = series.GetHistogram().GetSampleCount()
	}
	if len(got) != 2 || got["code=500,method=other,route=/boom"] != 1 ||
		got["code=200,method=GET,route=/boom"] != 1 {
		t.Errorf("samples = %v", got)
	}
}
