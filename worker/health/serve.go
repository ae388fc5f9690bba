package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Serve answers /healthz, /readyz and /metrics until ctx ends.
func (h *Health) Serve(ctx context.Context, listener net.Listener, registry *prometheus.Registry) error {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", probe(h.Alive, nil))
	mux.Handle("GET /readyz", probe(h.Ready, h.Lost))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics and health: %w", err)
	case <-ctx.Done():
		err := server.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	}
}

// probe answers what a check says. The notes follow where it passes.
func probe(check func() error, notes func() []string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(); err != nil {
			http.Error(rw, err.Error(), http.StatusServiceUnavailable)
			return
		}
		// A client that has gone does not read the answer.
		_, _ = fmt.Fprintln(rw, "ok")
		if notes == nil {
			return
		}
		for _, note := range notes() {
			_, _ = fmt.Fprintln(rw, note)
		}
	})
}
