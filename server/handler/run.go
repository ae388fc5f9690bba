package handler

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// run returns a run that the key may see.
func (h *Handler) run(ctx context.Context, id uuid.UUID) (*store.Run, error) {
	run, err := h.store.GetRun(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := access.From(ctx).CheckPoolOf(run.Pool, "run "+id.String()); err != nil {
		return nil, err
	}
	return run, nil
}

// GetRun returns a run with its attempts.
func (h *Handler) GetRun(ctx context.Context, r apiserver.GetRunRequestObject) (apiserver.GetRunResponseObject, error) {
	run, err := h.run(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	attempts, err := h.store.ListAttempts(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	shown, err := h.wireRuns(ctx, []store.Run{*run})
	if err != nil {
		return nil, err
	}
	told, err := h.store.GetTold(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRun200JSONResponse{
		Run: shown[0], Attempts: wire.Each(attempts, wire.Attempt), Result: wire.RunResult(told.Result), Progress: wire.RunProgress(told.Progress),
	}, nil
}

// CancelRun cancels a run, at once or by way of its worker.
func (h *Handler) CancelRun(
	ctx context.Context,
	r apiserver.CancelRunRequestObject,
) (apiserver.CancelRunResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	run, err := h.store.CancelRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CancelRun200JSONResponse(wire.Run(*run)), nil
}

// RetryRun gives a run that has ended another attempt.
func (h *Handler) RetryRun(
	ctx context.Context,
	r apiserver.RetryRunRequestObject,
) (apiserver.RetryRunResponseObject, error) {
	run, err := h.retry(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.RetryRun200JSONResponse(wire.Run(*run)), nil
}

// retry retries a run where the key is for its pool and for the one that it goes to: its deployment may have
// moved since.
func (h *Handler) retry(ctx context.Context, id uuid.UUID, actor string) (*store.Run, error) {
	run, err := h.run(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := h.deployment(ctx, run.Deployment); err != nil &&
		!store.IsCode(err, store.NotFound) { // deleted: the store says what that means
		return nil, err
	}
	return h.store.RetryRun(ctx, id, actor)
}

// AbandonRun ends an attempt whose worker is gone.
func (h *Handler) AbandonRun(
	ctx context.Context,
	r apiserver.AbandonRunRequestObject,
) (apiserver.AbandonRunResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	run, err := h.store.AbandonRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.AbandonRun200JSONResponse(wire.Run(*run)), nil
}

// ListRunEvents returns the history of a run.
func (h *Handler) ListRunEvents(
	ctx context.Context,
	r apiserver.ListRunEventsRequestObject,
) (apiserver.ListRunEventsResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	events, err := h.store.ListEvents(ctx, r.Run, 0)
	if err != nil {
		return nil, err
	}
	return apiserver.ListRunEvents200JSONResponse{Items: wire.Each(events, wire.RunEvent)}, nil
}

// GetAttemptManifest returns the Job of an attempt, as it was sent.
func (h *Handler) GetAttemptManifest(
	ctx context.Context,
	r apiserver.GetAttemptManifestRequestObject,
) (apiserver.GetAttemptManifestResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	manifest, err := h.store.GetManifest(ctx, r.Run, r.Attempt)
	if err != nil {
		return nil, err
	}
	return manifestResponse(manifest), nil
}

// manifestResponse writes a document byte by byte as it is stored; the generated type would encode it as
// base64.
type manifestResponse json.RawMessage

func (m manifestResponse) VisitGetAttemptManifestResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(m)
	return err
}
