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
	"github.com/berth-dev/berth/worker/job"
)

// DrainOptions say whose Jobs are drained.
type DrainOptions struct {
	// Installation whose Jobs they are. Where it is not given, the server is asked.
	Installation uuid.UUID
	ServerURL    string
	APIKey       string
	// Runtime that the Jobs live in.
	Runtime job.Runtime
	// Keep lets the Jobs run on, without anybody to look after them.
	Keep bool
	// Authorities are whom the usual HTTPClient trusts; nil: the system's.
	Authorities *x509.CertPool
	// HTTPClient talks to the server; the usual one where it is nil.
	HTTPClient *http.Client
}

// RunDrain ends (or keeps) the Jobs of an installation and releases them: what runs before an uninstall. With
// the installation given it needs no server; without either there must be no Job of anybody's, so that an
// installation whose server never came up can still be taken out.
func RunDrain(ctx context.Context, o DrainOptions) error {
	if o.Installation == uuid.Nil {
		installation, err := askInstallation(ctx, o)
		if err != nil {
			return nothingToDrain(ctx, o.Runtime, err)
		}
		o.Installation = installation
	}
	if err := o.Runtime.Drain(ctx, o.Installation, o.Keep); err != nil {
		return fmt.Errorf("drain installation %s: %w", o.Installation, err)
	}
	return nil
}

// nothingToDrain is nil where no installation has Jobs, and otherwise why it is not known whose they are.
func nothingToDrain(ctx context.Context, runtime job.Runtime, unasked error) error {
	surveyor, ok := runtime.(interface {
		Installations(ctx context.Context) ([]string, error)
	})
	if !ok {
		return unasked
	}
	found, err := surveyor.Installations(ctx)
	if err != nil {
		return errors.Join(unasked, err)
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf(
		"%w; where the server is gone, name the installation with --installation (there are Jobs of %s)",
		unasked,
		strings.Join(found, ", "),
	)
}

func askInstallation(ctx context.Context, o DrainOptions) (uuid.UUID, error) {
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Transport: apiclient.NewTransport(o.Authorities)}
		defer o.HTTPClient.CloseIdleConnections()
	}
	c, err := newClient(
		Options{ServerURL: o.ServerURL, APIKey: o.APIKey, HTTPClient: o.HTTPClient, Version: "drain"},
	)
	if err != nil {
		return uuid.Nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "ask the server for its installation"
	r, err := c.api.GetInfoWithResponse(ctx)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return uuid.Nil, err
	}
	info, err := body(op, r.JSON200, err)
	if err != nil {
		return uuid.Nil, err
	}
	return info.InstallationID, nil
}
