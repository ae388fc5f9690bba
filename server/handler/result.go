package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// maxResult bounds the result of a run, in bytes of JSON without white space.
const maxResult = 64 << 10

// GetRunResult returns what a run's workload says has come out of it.
func (h *Handler) GetRunResult(
	ctx context.Context,
	r apiserver.GetRunResultRequestObject,
) (apiserver.GetRunResultResponseObject, error) {
	run, err := h.run(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	told, err := h.store.GetTold(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	if told.Result == nil {
		return nil, problem.Newf(problem.NotFound, "run %s has said nothing of a result", run.ID)
	}
	return apiserver.GetRunResult200JSONResponse(*wire.RunResult(told.Result)), nil
}

// SetRunResult stores what a workload says has come out of its run.
func (h *Handler) SetRunResult(
	ctx context.Context,
	r apiserver.SetRunResultRequestObject,
) (apiserver.SetRunResultResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.Body.Value); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	if compact.Len() > maxResult {
		return nil, problem.Newf(
			problem.BodyTooLarge,
			"the result has %d bytes, at most %d are kept; store it elsewhere and say where",
			compact.Len(),
			maxResult,
		)
	}
	result, err := h.store.SetResult(ctx, r.Run, access.From(ctx).Attempt, compact.Bytes())
	if err != nil {
		return nil, err
	}
	return apiserver.SetRunResult200JSONResponse(*wire.RunResult(result)), nil
}

// SetRunProgress stores how far a workload says its run is.
func (h *Handler) SetRunProgress(
	ctx context.Context,
	r apiserver.SetRunProgressRequestObject,
) (apiserver.SetRunProgressResponseObject, error) {
	if _, err := h.run(ctx, r.Run); err != nil {
		return nil, err
	}
	progress, err := h.store.SetProgress(
		ctx,
		r.Run,
		access.From(ctx).Attempt,
		r.Body.Percent,
		wire.Or(r.Body.Message, ""),
	)
	if err != nil {
		return nil, err
	}
	return apiserver.SetRunProgress200JSONResponse(*wire.RunProgress(progress)), nil
}
