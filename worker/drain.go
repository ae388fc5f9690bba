package worker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/job"
)

// DrainOptions say whose Jobs are drained.
type DrainOptions struct {
	// Installation whose Jobs are drained; uuid.Nil to ask the server.
	Installation uuid.UUID
	ServerURL    string
	APIKey       string
	// Runtime that the Jobs live in.
	Runtime job.Runtime
	// Keep lets the Jobs run on, without a worker to observe them.
	Keep bool
	// Authorities are trusted by the default HTTPClient; nil for those of the system.
	Authorities *x509.CertPool
	// HTTPClient calls the server; nil for a default one.
	HTTPClient *http.Client
}

// RunDrain ends (or keeps) all Jobs of an installation and finalizes them, as before an uninstall. It needs
// the server only to learn the installation. If the server cannot be reached either, it succeeds if no
// installation has a Job, so that an installation whose server never started can be uninstalled.
func RunDrain(ctx context.Context, o DrainOptions) error {
	if o.Installation == uuid.Nil {
		installation, err := askInstallation(ctx, o)
		if err != nil {
			return checkNothingToDrain(ctx, o.Runtime, err)
		}
		o.Installation = installation
	}
	if err := o.Runtime.Drain(ctx, o.Installation, o.Keep); err != nil {
		return fmt.Errorf("drain installation %s: %w", o.Installation, err)
	}
	return nil
}

// checkNothingToDrain returns nil if no installation has Jobs, and otherwise why it is not known whose they
// are.
func checkNothingToDrain(ctx context.Context, runtime job.Runtime, askErr error) error {
	lister, ok := runtime.(interface {
		Installations(ctx context.Context) ([]string, error)
	})
	if !ok {
		return askErr
	}
	installations, err := lister.Installations(ctx)
	if err != nil {
		return errors.Join(askErr, err)
	}
	if len(installations) == 0 {
		return nil
	}
	return fmt.Errorf("%w; if the server no longer exists, set --installation (there are Jobs of %s)",
		askErr, strings.Join(installations, ", "))
}

func askInstallation(ctx context.Context, o DrainOptions) (uuid.UUID, error) {
	if o.HTTPClient == nil {
		o.HTTPClient = apiclient.NewHTTPClient(apiclient.NewTransport(o.Authorities))
		defer o.HTTPClient.CloseIdleConnections()
	}
	c, err := client.New(client.Options{
		ServerURL: o.ServerURL,
		APIKey:    o.APIKey,
		HTTP:      o.HTTPClient,
		Version:   "drain",
	})
	if err != nil {
		return uuid.Nil, err
	}
	return c.Installation(ctx)
}
