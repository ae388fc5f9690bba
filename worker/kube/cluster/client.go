package cluster

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
)

// Clients are the clients of one cluster.
type Clients struct {
	API kubernetes.Interface
	// Metadata changes objects, and gets their metadata for an answer instead of the objects; nil in tests without a
	// cluster.
	Metadata metadata.Interface
}

// NewClients returns clients whose requests are counted by the registerer, if there is one. It makes no
// request.
func (c Config) NewClients(log *slog.Logger, registerer prometheus.Registerer) (Clients, error) {
	metrics, err := newRequestMetrics(registerer)
	if err != nil {
		return Clients{}, err
	}
	counted := metrics.instrument(c.REST)
	counted.WarningHandlerWithContext = warningHandler{log}
	api, err := kubernetes.NewForConfig(counted)
	if err != nil {
		return Clients{}, fmt.Errorf("configure a client for the cluster at %s: %w", c.REST.Host, err)
	}
	ofMetadata, err := metadata.NewForConfig(counted)
	if err != nil {
		return Clients{}, fmt.Errorf("configure a client for the cluster at %s: %w", c.REST.Host, err)
	}
	return Clients{API: api, Metadata: ofMetadata}, nil
}
