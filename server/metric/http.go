package metric

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/berth-dev/berth/server/requestid"
)

// HTTP measures requests and recovers panics.
type HTTP struct {
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
	logger   *slog.Logger
}

// NewHTTP registers the metrics of requests.
func NewHTTP(r prometheus.Registerer, logger *slog.Logger) *HTTP {
	h := &HTTP{logger: logger, requests: newFamily(r).counters("berth_http_requests_total",
		"Requests by the class of their status, without those for metrics and health.", "class"), seconds: promauto.With(r).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "berth_http_request_seconds",
		Help:    "Duration of HTTP requests in seconds. Long polls and streams include the time they wait.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},

		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}, []string{"route", "method", "code"})}
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx"} { // a first error is an increase
		h.requests.WithLabelValues(class)
	}
	return h
}

// unmatched is the route label of requests that match no route.
const unmatched = "unmatched"

// Wrap measures every request that next serves, and answers with fail if next panics. It wraps the whole
// router once, because the router would rebuild a middleware for each request. Routes set their label with
// SetRoute.
func (h *HTTP) Wrap(
	next http.Handler,
	fail func(w http.ResponseWriter, r *http.Request, err error),
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &Recorder{ResponseWriter: w, route: unmatched}
		defer func() {
			cause := recover()
			if cause != nil && cause != http.ErrAbortHandler {
				h.logger.Error("request handler panicked", "method", r.Method, "route", recorder.route,
					"request", requestid.Of(r.Context()), "panic", cause, "stack", string(debug.Stack()))
				if !recorder.HeaderWritten() {
					fail(recorder, r, fmt.Errorf("panic: %v", cause))
				}
			}
			h.seconds.WithLabelValues(recorder.route, method(r.Method), strconv.Itoa(recorder.code())).
				Observe(time.Since(start).Seconds())
			if recorder.route != "/metrics" && recorder.route != "/healthz" && recorder.route != "/readyz" {
				h.requests.WithLabelValues(class(recorder.code())).Inc()
			}
			if cause == http.ErrAbortHandler ||
				cause != nil && recorder.status < http.StatusInternalServerError {
				panic(http.ErrAbortHandler) // part of the response is sent: close the connection
			}
		}()
		next.ServeHTTP(recorder, r)
	})
}

// method bounds the label: clients may send any word as method.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return name
	}
	return "other"
}

func class(code int) string {
	if code < 200 || code > 599 {
		return "other"
	}
	return strconv.Itoa(code/100) + "xx"
}

// Recorder records the status of a response.
type Recorder struct {
	http.ResponseWriter
	route  string
	status int
}

// SetRoute sets the route label of a response.
func SetRoute(w http.ResponseWriter, route string) {
	if recorder, ok := w.(*Recorder); ok {
		recorder.route = route
	}
}

// HeaderWritten reports whether the status has been sent.
func (r *Recorder) HeaderWritten() bool { return r.status != 0 }

func (r *Recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// WriteHeader implements http.ResponseWriter.
func (r *Recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *Recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(data)
}

// Unwrap gives http.ResponseController access to the connection.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
