package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/rundiff"
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

// CompareRuns says what differs between a run and an earlier one.
func (h *Handler) CompareRuns(
	ctx context.Context, r apiserver.CompareRunsRequestObject,
) (apiserver.CompareRunsResponseObject, error) {
	sides, err := h.store.GetRunSides(ctx, r.Run, r.Params.With)
	if err != nil {
		return nil, err
	}
	result, err := rundiff.Compare(&sides.Before, &sides.After)
	if err != nil {
		return nil, err
	}
	answer := apiserver.CompareRuns200JSONResponse{
		Before: wire.Run(sides.Before.Run), After: wire.Run(sides.After.Run), Differences: []api.RunDifference{},
		Same: wire.Each(result.Same, func(s rundiff.Subject) api.RunSubject { return api.RunSubject(s) }),
	}
	for _, d := range result.Differences {
		changes, err := wire.DocumentChanges(d.Changes)
		if err != nil {
			return nil, err
		}
		answer.Differences = append(answer.Differences, api.RunDifference{
			Subject: api.RunSubject(d.Subject), Text: d.Text, Changes: changes,
		})
	}
	return answer, nil
}
