package worker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/job"
)

// DrainOptions say whose Jobs are drained.
type DrainOptions struct {
	// Installation whose Jobs are drained; uuid.Nil to ask the server.
	Installation uuid.UUID
	// Recorded are installations whose Jobs are drained too, and without the server if it is gone.
	Recorded  []uuid.UUID
	ServerURL string
	APIKey    string
	// Runtime that the Jobs live in.
	Runtime job.Runtime
	// Keep lets the Jobs run on, without a worker to observe them.
	Keep bool
	// Authorities are trusted by the default HTTPClient; nil for those of the system.
	Authorities *x509.CertPool
	// HTTPClient calls the server; nil for a default one.
	HTTPClient *http.Client
	Logger     *slog.Logger
}

// RunDrain ends (or keeps) all Jobs of an installation and finalizes them, as before an uninstall. It needs
// the server only to learn the installation, unless the workers recorded it. If the server cannot be reached either,
// it succeeds if no installation has a Job, so that an installation whose server never started can be uninstalled.
func RunDrain(ctx context.Context, o DrainOptions) error {
	installations := o.Recorded
	if o.Installation == uuid.Nil {
		installation, err := askInstallation(ctx, o)
		if err != nil && len(o.Recorded) == 0 {
			return checkNothingToDrain(ctx, o.Runtime, err)
		}
		if err != nil {
			o.Logger.Warn("the server is gone; what the workers recorded says whose jobs to end",
				"installations", len(o.Recorded), "error", err)
		}
		o.Installation = installation
	}
	if o.Installation != uuid.Nil && !slices.Contains(installations, o.Installation) {
		installations = append(slices.Clone(installations), o.Installation)
	}
	var failed []error
	for _, installation := range installations {
		failed = append(failed, drainInstallation(ctx, o, installation))
	}
	return errors.Join(failed...)
}

func drainInstallation(ctx context.Context, o DrainOptions, installation uuid.UUID) error {
	ended, err := o.Runtime.Drain(ctx, installation, o.Keep)
	if len(ended) > 0 {
		if err := reportDrained(ctx, o, ended); err != nil {
			o.Logger.Warn("the runs of the jobs that were ended do not say so: "+
				"the server could not be told", "jobs", len(ended), "error", err)
		}
	}
	if err != nil {
		return fmt.Errorf("drain installation %s: %w", installation, err)
	}
	return nil
}

// drainBatch bounds how many attempts are told of in one call.
const drainBatch = 500

// reportDrained tells the server, if it is still there, what became of the attempts whose Jobs were ended: without that,
// only a worker of a later installation finds that they are gone, and not why.
func reportDrained(ctx context.Context, o DrainOptions, ended []job.Drained) error {
	at := time.Now()
	byPool := map[string][]job.Drained{}
	for _, d := range ended {
		byPool[d.Pool] = append(byPool[d.Pool], d)
	}
	var failed []error
	for pool, list := range byPool {
		c, done, err := o.client(pool)
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(list, drainBatch) {
			failed = append(failed, reportDrainedBatch(ctx, c, o.Runtime.ClusterID(), batch, at))
		}
		done()
	}
	return errors.Join(failed...)
}

func reportDrainedBatch(ctx context.Context, c *client.Client, cluster string, batch []job.Drained, at time.Time) error {
	refs := make([]api.AttemptRef, len(batch))
	for i, d := range batch {
		refs[i] = api.AttemptRef{RunID: d.RunID, Attempt: int32(d.Attempt), JobUID: &d.UID}
	}
	statuses, err := c.LookUp(ctx, cluster, refs)
	if err != nil {
		return err
	}
	category, final := api.CategoryDeleted, true
	message := fmt.Sprintf("ended by the uninstall of this installation (berth worker drain), at %s", at.UTC().Format(time.RFC3339))
	var reports []api.Report
	for _, s := range statuses {
		if s.Status == api.AttemptStatusStatusActive && s.AttemptID != nil && s.Epoch != nil {
			reports = append(reports, api.Report{
				AttemptID: *s.AttemptID, Epoch: *s.Epoch, Kind: api.ReportKindEnded, At: &at, Category: &category,
				Message: &message, Final: &final,
			})
		}
	}
	if len(reports) == 0 {
		return nil
	}
	_, err = c.Report(ctx, reports)
	return err
}

// client returns a client for the workers' protocol, and what frees it.
func (o DrainOptions) client(pool string) (c *client.Client, done func(), err error) {
	done = func() {}
	if o.HTTPClient == nil {
		o.HTTPClient = apiclient.NewHTTPClient(apiclient.NewTransport(o.Authorities))
		done = o.HTTPClient.CloseIdleConnections
	}
	c, err = client.New(client.Options{
		ServerURL: o.ServerURL, APIKey: o.APIKey, HTTP: o.HTTPClient, Version: "drain", Pool: pool, Worker: "drain",
	})
	return c, done, err
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
	c, done, err := o.client("")
	if err != nil {
		return uuid.Nil, err
	}
	defer done()
	return c.Installation(ctx)
}
