package worker

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/retry"
)

// identify asks the runtime which cluster it is until that is known, or ctx ends (retry.ErrStopped).
func (w *worker) identify(ctx context.Context) error {
	backoff := w.backoff()
	for {
		err := w.runtime.Identify(ctx)
		if err == nil {
			w.health.SetAccess(nil, nil)
			return nil
		}
		if ctx.Err() != nil {
			return retry.ErrStopped
		}
		w.health.SetAccess(err, nil)
		w.log.Warn("cluster not identified, retrying", "error", err)
		if !backoff.Wait(ctx, 0) {
			return retry.ErrStopped
		}
	}
}

// greet introduces the worker to the server. It retries until the server answers or ctx ends
// (retry.ErrStopped). A redirect ends it: a worker that has never reached its server has a wrong address. Later
// redirects are retried, as its Jobs are running.
func (w *worker) greet(ctx context.Context) error {
	hello := api.WorkerHello{
		Protocol:  client.ProtocolVersion,
		Pool:      w.Pool,
		Worker:    w.Name,
		Type:      api.PoolType(w.runtime.Type()),
		ClusterID: w.runtime.ClusterID(),
		Version:   w.Version,
	}
	if objects := w.runtime.ClusterObjects(); len(objects) > 0 {
		hello.ClusterObjects = &objects
	}
	if namespace := w.runtime.DefaultNamespace(); namespace != "" {
		hello.DefaultNamespace = &namespace
	}
	if namespaces := w.runtime.Namespaces(); len(namespaces) > 0 {
		hello.Namespaces = &namespaces
	}

	calls := w.calls("greet")
	for {
		welcome, err := w.client.Hello(ctx, hello)
		if err == nil {
			w.welcome(welcome)
			return nil
		}

		failed := client.AsError(err)
		poolMissing := failed.Status == http.StatusNotFound && !failed.Foreign()
		switch {
		case poolMissing:
			w.log.Warn("work pool does not exist; create it with `berth pool create`")
		case failed.Redirected():
			return err
		case !failed.Temporary() && !failed.Denied():
			// The server will never accept this worker as it is, for example its protocol or its type.
			return err
		}
		if err := calls.Failed(ctx, err); err != nil {
			return err
		}
	}
}

// welcome takes over what the server said.
func (w *worker) welcome(welcome *api.WorkerWelcome) {
	w.installation = welcome.InstallationID
	w.leaseTime = time.Duration(max(1, welcome.LeaseSeconds)) * time.Second
	w.renewEvery = w.tuning.renewEvery
	if w.renewEvery == 0 {
		w.renewEvery = w.leaseTime / 3
	}
	w.health.Reached()
	w.log = w.log.With("installation", w.installation)
	w.log.Info("worker started",
		"worker", w.Name, "type", w.runtime.Type(), "cluster", w.runtime.ClusterID(), "server", welcome.ServerVersion)
}

// recordInstallation notes which installation the worker serves. It retries until it has, or ctx ends; nothing waits for it.
func (w *worker) recordInstallation(ctx context.Context) {
	if w.RecordInstallation == nil {
		return
	}
	backoff := retry.Backoff{Min: time.Second, Max: 10 * time.Minute}
	for {
		err := w.RecordInstallation(ctx, w.installation)
		if err == nil || ctx.Err() != nil {
			return
		}
		w.log.Warn("installation not recorded, retrying; without the record, an uninstall needs the server", "error", err)
		if !backoff.Wait(ctx, 0) {
			return
		}
	}
}

// fetchTemplate gets the document of a template version. It retries what may pass.
func (w *worker) fetchTemplate(ctx context.Context, version uuid.UUID) ([]byte, error) {
	return fetch(ctx, w.calls("template"), version, w.client.Template)
}

// fetchRuleSet gets a rule set. It retries what may pass.
func (w *worker) fetchRuleSet(ctx context.Context, id uuid.UUID) (api.RuleSet, error) {
	return fetch(ctx, w.calls("rules"), id, w.client.RuleSet)
}

// fetch gets what never changes, by its id. It retries what may pass.
func fetch[T any](
	ctx context.Context, calls retry.Calls, id uuid.UUID, get func(context.Context, uuid.UUID) (T, error),
) (T, error) {
	for {
		value, err := get(ctx, id)
		if err == nil || !client.AsError(err).Temporary() {
			return value, err
		}
		if calls.Failed(ctx, err) != nil {
			return value, context.Cause(ctx)
		}
	}
}
