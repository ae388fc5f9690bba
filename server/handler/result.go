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

// GetRunResult returns the result that the workload of a run has set.
func (h *Handler) GetRunResult(
	ctx context.Context, r apiserver.GetRunResultRequestObject,
) (apiserver.GetRunResultResponseObject, error) {
	run, err := h.store.GetRun(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	told, err := h.store.GetResultAndProgress(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	if told.Result == nil {
		return nil, problem.Newf(problem.NotFound, "run %s has no result", run.ID)
	}
	return apiserver.GetRunResult200JSONResponse(*wire.RunResult(told.Result)), nil
}

// SetRunResult stores the result of a run for its workload.
func (h *Handler) SetRunResult(
	ctx context.Context, r apiserver.SetRunResultRequestObject,
) (apiserver.SetRunResultResponseObject, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.Body.Value); err != nil {
		return nil, fmt.Errorf("compact the result: %w", err)
	}
	if compact.Len() > maxResult {
		return nil, problem.Newf(problem.BodyTooLarge,
			"the result has %d bytes; at most %d are allowed: store it elsewhere and set where it is",
			compact.Len(), maxResult)
	}
	result, err := h.store.UpsertResult(ctx, r.Run, access.From(ctx).Attempt, compact.Bytes())
	if err != nil {
		return nil, err
	}
	return apiserver.SetRunResult200JSONResponse(*wire.RunResult(result)), nil
}

// SetRunProgress stores the progress of a run for its workload.
func (h *Handler) SetRunProgress(
	ctx context.Context, r apiserver.SetRunProgressRequestObject,
) (apiserver.SetRunProgressResponseObject, error) {
	progress, err := h.store.UpsertProgress(
		ctx, r.Run, access.From(ctx).Attempt, r.Body.Percent, wire.Or(r.Body.Message, ""))
	if err != nil {
		return nil, err
	}
	return apiserver.SetRunProgress200JSONResponse(*wire.RunProgress(progress)), nil
}
