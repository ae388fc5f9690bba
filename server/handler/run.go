package handler

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// GetRun returns a run with its attempts.
func (h *Handler) GetRun(
	ctx context.Context,
	r apiserver.GetRunRequestObject,
) (apiserver.GetRunResponseObject, error) {
	run, err := h.store.GetRun(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	attempts, err := h.store.ListAttempts(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	outputs, err := h.store.ListOutputs(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	told, err := h.store.GetResultAndProgress(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	said, err := h.store.ListRuleFindings(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	shown, err := h.withDerivedStates(ctx, []store.Run{*run}, wire.Run)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRun200JSONResponse{
		Run:      shown[0],
		Attempts: wire.Attempts(attempts, outputs),
		Result:   wire.RunResult(told.Result),
		Progress: wire.RunProgress(told.Progress),

		RuleFindings: wire.RuleFindings(said),
	}, nil
}

// CancelRun cancels a run: at once if no worker has it, otherwise through its worker.
func (h *Handler) CancelRun(
	ctx context.Context, r apiserver.CancelRunRequestObject,
) (apiserver.CancelRunResponseObject, error) {
	run, err := h.store.CancelRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CancelRun200JSONResponse(wire.Run(*run)), nil
}

// RetryRun gives a run that has ended another attempt.
func (h *Handler) RetryRun(
	ctx context.Context, r apiserver.RetryRunRequestObject,
) (apiserver.RetryRunResponseObject, error) {
	run, err := h.runs.Retry(ctx, r.Run, actor(ctx), mayIn(ctx, "RetryRun"))
	if err != nil {
		return nil, err
	}
	return apiserver.RetryRun200JSONResponse(wire.Run(*run)), nil
}

// AbandonRun ends a run whose worker or cluster is gone.
func (h *Handler) AbandonRun(
	ctx context.Context, r apiserver.AbandonRunRequestObject,
) (apiserver.AbandonRunResponseObject, error) {
	run, err := h.store.AbandonRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.AbandonRun200JSONResponse(wire.Run(*run)), nil
}

// ListRunEvents returns the history of a run, newest first.
func (h *Handler) ListRunEvents(
	ctx context.Context, r apiserver.ListRunEventsRequestObject,
) (apiserver.ListRunEventsResponseObject, error) {
	// A run that does not exist has no events either; only this tells the two apart.
	if _, err := h.store.GetRun(ctx, r.Run); err != nil {
		return nil, err
	}
	events, next, err := h.store.PageEvents(ctx, r.Run, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListRunEvents200JSONResponse{
		Items: wire.Each(events, wire.RunEvent), NextCursor: wire.OrNil(next),
	}, nil
}

// GetAttemptManifest returns the Job of an attempt as it was sent to the cluster.
func (h *Handler) GetAttemptManifest(
	ctx context.Context, r apiserver.GetAttemptManifestRequestObject,
) (apiserver.GetAttemptManifestResponseObject, error) {
	manifest, err := h.store.GetManifest(ctx, r.Run, r.Attempt)
	if err != nil {
		return nil, err
	}
	return manifestResponse(manifest), nil
}

// manifestResponse writes a document as it is stored. The generated response type would encode it as base64.
type manifestResponse json.RawMessage

func (m manifestResponse) VisitGetAttemptManifestResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(m)
	return err
}
