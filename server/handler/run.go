package handler

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
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
func (h *Handler) GetRun(ctx context.Context, r api.GetRunRequestObject) (api.GetRunResponseObject, error) {
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
	return api.GetRun200JSONResponse{
		Run: shown[0], Attempts: each(attempts, wireAttempt), Result: wireResult(told.Result), Progress: wireProgress(told.Progress),
	}, nil
}

// CancelRun cancels a run, at once or by way of its worker.
func (h *Handler) CancelRun(
	ctx context.Context,
	r api.CancelRunRequestObject,
) (api.CancelRunResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	run, err := h.store.CancelRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return api.CancelRun200JSONResponse(wireRun(*run)), nil
}

// RetryRun gives a run that has ended another attempt.
func (h *Handler) RetryRun(
	ctx context.Context,
	r api.RetryRunRequestObject,
) (api.RetryRunResponseObject, error) {
	run, err := h.retry(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return api.RetryRun200JSONResponse(wireRun(*run)), nil
}

// retry retries a run where the key is for its pool and for the one that it goes to: its deployment may have
// moved since.
func (h *Handler) retry(ctx context.Context, id uuid.UUID, actor string) (*store.Run, error) {
	run, err := h.run(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := h.deployment(ctx, run.Deployment); err != nil &&
		!isCode(err, store.NotFound) { // deleted: the store says what that means
		return nil, err
	}
	return h.store.RetryRun(ctx, id, actor)
}

// AbandonRun ends an attempt whose worker is gone.
func (h *Handler) AbandonRun(
	ctx context.Context,
	r api.AbandonRunRequestObject,
) (api.AbandonRunResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	run, err := h.store.AbandonRun(ctx, r.Run, actor(ctx))
	if err != nil {
		return nil, err
	}
	return api.AbandonRun200JSONResponse(wireRun(*run)), nil
}

// ListRunEvents returns the history of a run.
func (h *Handler) ListRunEvents(
	ctx context.Context,
	r api.ListRunEventsRequestObject,
) (api.ListRunEventsResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	events, err := h.store.ListEvents(ctx, r.Run, 0)
	if err != nil {
		return nil, err
	}
	return api.ListRunEvents200JSONResponse{Items: each(events, wireEvent)}, nil
}

// GetAttemptManifest returns the Job of an attempt, as it was sent.
func (h *Handler) GetAttemptManifest(
	ctx context.Context,
	r api.GetAttemptManifestRequestObject,
) (api.GetAttemptManifestResponseObject, error) {
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

func wireRun(r store.Run) api.Run {
	return api.Run{
		ID: r.ID, Name: r.Name, Deployment: r.Deployment, DeploymentID: r.DeploymentID, Pool: r.Pool, Queue: r.Queue,
		State: wireState(
			r.State,
		), Parameters: object(r.Parameters), JobVariables: object(r.JobVariables), Tags: list(r.Tags),
		ScheduledTime: r.ScheduledTime, CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy, StartedAt: r.StartedAt,
		EndedAt: r.EndedAt, Attempt: r.Attempt, ExitCode: r.ExitCode, Category: optional(api.Category(r.Category)),
		IdempotencyKey: optional(r.IdempotencyKey),
	}
}

func wireState(s lifecycle.State) api.State {
	return api.State{Type: api.StateType(s.Type), Name: s.Name, Message: optional(s.Message), At: s.At}
}

func wireAttempt(a store.Attempt) api.Attempt {
	return api.Attempt{
		ID: a.ID, Number: a.Number, Phase: api.AttemptPhase(a.Phase), Worker: a.Worker, ClusterID: a.ClusterID,
		LeaseEpoch: a.Epoch, TemplateVersion: optional(a.TemplateVersion), JobNamespace: optional(a.JobNamespace),
		JobName: optional(
			a.JobName,
		), JobUID: optional(a.JobUID), Node: optional(a.Node), Diagnosis: optional(a.Diagnosis),
		Raised:   a.Raised,
		ExitCode: a.ExitCode, Category: optional(api.Category(a.Category)), Message: optional(a.Message),
		LastLines: optional(
			a.LastLines,
		), ClaimedAt: a.ClaimedAt, SubmittedAt: a.SubmittedAt, RunningAt: a.RunningAt,
		EndedAt: a.EndedAt,
	}
}

func wireEvent(e store.Event) api.RunEvent {
	return api.RunEvent{
		Seq: e.Seq, At: e.At, Actor: e.Actor, Attempt: optional(e.Attempt), State: wireState(e.State), Message: e.Message,
	}
}

func wireChunk(c store.LogChunk) api.LogChunk {
	return api.LogChunk{Attempt: c.Number, Offset: c.Offset, Text: c.Text}
}

// object is {} where there is none.
func object(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return json.RawMessage("{}")
	}
	return document
}

// list is never nil, so that it is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
