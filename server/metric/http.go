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
)

// HTTP measures requests.
type HTTP struct {
	seconds *prometheus.HistogramVec
	logger  *slog.Logger
}

// NewHTTP registers the metrics.
func NewHTTP(r prometheus.Registerer, logger *slog.Logger) *HTTP {
	return &HTTP{logger: logger, seconds: promauto.With(r).NewHistogramVec(prometheus.HistogramOpts{
		Name: "berth_http_request_seconds", Help: "How long requests took. Long polls and streams last as long as they wait.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"route", "method", "code"})}
}

// unmatched is the route of requests that no route answers.
const unmatched = "unmatched"

// Wrap measures everything that next serves and keeps a panic from ending the process. It wraps the router as
// a whole, once: as a middleware inside it, it would be rebuilt for each request. Routes name themselves with
// Route.
func (h *HTTP) Wrap(
	next http.Handler,
	fail func(w http.ResponseWriter, r *http.Request, err error),
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &Recorder{ResponseWriter: w, route: unmatched}
		defer func() {
			cause := recover()
			if cause != nil && cause != http.ErrAbortHandler {
				h.logger.Error(
					"panic while serving a request",
					"method",
					r.Method,
					"route",
					recorder.route,
					"panic",
					cause,
					"stack",
					string(debug.Stack()),
				)
				if !recorder.HeaderWritten() {
					fail(recorder, r, fmt.Errorf("panic: %v", cause))
				}
			}
			h.seconds.WithLabelValues(recorder.route, method(r.Method), strconv.Itoa(recorder.code())).
				Observe(time.Since(began).Seconds())
			if cause == http.ErrAbortHandler ||
				cause != nil && recorder.status < http.StatusInternalServerError {
				panic(http.ErrAbortHandler) // the answer is out in part: hanging up is all that is left
			}
		}()
		next.ServeHTTP(recorder, r)
	})
}

// method keeps the label bounded: a client may send any word.
func method(name string) string {
	switch name {
	case http.MethodGet,
		http.MethodHead,
		http.MethodPost,
		http.MethodPut,
		http.MethodPatch,
		http.MethodDelete,
		http.MethodOptions:
		return name
	}
	return "other"
}

// Recorder remembers what was answered.
type Recorder struct {
	http.ResponseWriter
	route  string
	status int
}

// SetRoute names the route that answers.
func SetRoute(w http.ResponseWriter, route string) {
	if recorder, ok := w.(*Recorder); ok {
		recorder.route = route
	}
}

// HeaderWritten reports whether the status is out.
func (r *Recorder) HeaderWritten() bool { return r.status != 0 }

func (r *Recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// WriteHeader is http.ResponseWriter's.
func (r *Recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write is http.ResponseWriter's.
func (r *Recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
