package cluster

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
)

// NewClient returns a client whose requests are counted by the registerer, if there is one. It makes no
// request.
func (c Config) NewClient(log *slog.Logger, registerer prometheus.Registerer) (kubernetes.Interface, error) {
	metrics, err := newRequestMetrics(registerer)
	if err != nil {
		return nil, err
	}
	counted := metrics.instrument(c.REST)
	counted.WarningHandlerWithContext = warningLogger{log}
	client, err := kubernetes.NewForConfig(counted)
	if err != nil {
		return nil, fmt.Errorf("configure a client for the cluster at %s: %w", c.REST.Host, err)
	}
	return client, nil
}

// warningLogger logs the API server's warnings at debug level: it warns about every Job that a stricter Pod
// Security level would reject.
type warningLogger struct{ log *slog.Logger }

func (w warningLogger) HandleWarningHeaderWithContext(_ context.Context, _ int, agent, text string) {
	w.log.Debug("API server warning", "agent", agent, "warning", text)
}
