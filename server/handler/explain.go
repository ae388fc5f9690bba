package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/wire"
)

// ExplainRun says why a run waits, or why it ended as it did.
func (h *Handler) ExplainRun(
	ctx context.Context, r apiserver.ExplainRunRequestObject,
) (apiserver.ExplainRunResponseObject, error) {
	facts, err := h.store.GetRunFacts(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	e := explain.Explain(facts)
	return apiserver.ExplainRun200JSONResponse{
		Run:      withDerivedState(facts.Run, wire.Run(facts.Run), facts.Gates, facts.Now),
		Sentence: e.Sentence,
		Details:  wire.NonNil(e.Details),
		Next:     wire.NonNil(e.Next),
		Reasons: wire.Each(e.Reasons, func(r explain.Reason) api.WaitReason {
			return api.WaitReason{Code: string(r.Code), Message: r.Message}
		}),
	}, nil
}
