package handler

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
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
	actions, err := runActions(e.Actions)
	if err != nil {
		return nil, err
	}
	answer := apiserver.ExplainRun200JSONResponse{
		Run:      withDerivedState(facts.Run, wire.Run(facts.Run), facts.Gates, facts.Now),
		Sentence: e.Sentence,
		Details:  wire.NonNil(e.Details),
		Next:     wire.NonNil(e.Next),
		Reasons: wire.Each(e.Reasons, func(r explain.Reason) api.WaitReason {
			return api.WaitReason{Code: string(r.Code), Message: r.Message}
		}),
		Holders:      wire.Each(e.Holders, slotHolder),
		HoldersTotal: int32(e.HolderCount),
		Eta:          startForecast(e.Forecast),
		Actions:      actions,
	}
	if e.Ahead != nil {
		ahead := int32(*e.Ahead)
		answer.Ahead = &ahead
	}
	return answer, nil
}

func slotHolder(h explain.Holder) api.SlotHolder {
	shown := api.SlotHolder{Run: h.Run, Name: h.Name, Deployment: h.Deployment, Since: wire.Time(h.Since)}
	if h.Usual > 0 {
		usual := h.Usual.Round(time.Millisecond).Seconds()
		shown.UsualSeconds = &usual
	}
	return shown
}

func startForecast(f *explain.Forecast) *api.StartForecast {
	if f == nil {
		return nil
	}
	return &api.StartForecast{From: f.From.Round(time.Second).Seconds(), To: f.To.Round(time.Second).Seconds()}
}

// runActions adds to each action the lowest role that may do it.
func runActions(actions []explain.Action) ([]api.RunAction, error) {
	shown := make([]api.RunAction, len(actions))
	for i, a := range actions {
		operation, known := access.Find(a.Operation)
		if !known {
			return nil, fmt.Errorf("explain a run: there is no operation %q", a.Operation)
		}
		shown[i] = api.RunAction{
			Kind: string(a.Kind), Role: operation.Role,
			Target: api.RunActionTarget{Kind: string(a.Target.Kind), Name: a.Target.Name},
		}
		if a.Target.Run != uuid.Nil {
			shown[i].Target.Run = &a.Target.Run
		}
		if a.Command != "" {
			shown[i].Command = &a.Command
		}
	}
	return shown, nil
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
