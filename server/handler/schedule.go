package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListDeploymentSchedules lists the schedules of a deployment.
func (h *Handler) ListDeploymentSchedules(
	ctx context.Context, r apiserver.ListDeploymentSchedulesRequestObject,
) (apiserver.ListDeploymentSchedulesResponseObject, error) {
	// A deployment that does not exist has no schedules either; only this tells the two apart.
	if _, err := h.store.GetDeployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	schedules, err := h.store.ListDeploymentSchedules(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	items, err := wire.Schedules(schedules, h.Now())
	if err != nil {
		return nil, err
	}
	return apiserver.ListDeploymentSchedules200JSONResponse{Items: items}, nil
}

// ListSchedules lists the schedules of a pool, or of all pools that the key is for.
func (h *Handler) ListSchedules(
	ctx context.Context, r apiserver.ListSchedulesRequestObject,
) (apiserver.ListSchedulesResponseObject, error) {
	pools := access.From(ctx).PoolsFor("ListSchedules")
	if pool := wire.Or(r.Params.Pool, ""); pool != "" {
		pools = []string{pool}
	}
	filter := store.ScheduleFilter{
		Pools: pools, Failing: wire.Or(r.Params.Failing, false), NextFirst: wire.Or(r.Params.Sort, "") == api.SchedulesByNext,
	}
	schedules, next, err := h.store.ListSchedules(ctx, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items, err := wire.Schedules(schedules, h.Now())
	if err != nil {
		return nil, err
	}
	for i := range items { // a page of these could fill the memory of the server
		items[i].Spec.Parameters, items[i].Spec.JobVariables = nil, nil
	}
	return apiserver.ListSchedules200JSONResponse{Items: items, NextCursor: wire.OrNil(next)}, nil
}

// UpdateSchedule pauses or resumes a schedule.
func (h *Handler) UpdateSchedule(
	ctx context.Context, r apiserver.UpdateScheduleRequestObject,
) (apiserver.UpdateScheduleResponseObject, error) {
	paused := !r.Body.Active
	pause, err := wire.PauseChange(&paused, r.Body.PauseReason)
	if err != nil {
		return nil, err
	}
	var changed *store.Schedule
	err = h.store.InTx(ctx, func(tx *store.Tx) (err error) {
		d, err := lockDeployment(ctx, tx, "UpdateSchedule", r.Deployment, nil)
		if err != nil {
			return err
		}
		if r.Body.Active { // what stops work needs no approval
			if err := h.admitResume(ctx, tx, d, r.Schedule); err != nil {
				return err
			}
		}
		if wire.Or(r.Body.DropWaiting, false) {
			if err := tx.DropWaitingSlots(ctx, r.Deployment, r.Schedule, actor(ctx)); err != nil {
				return err
			}
		}
		changed, err = tx.UpdateSchedulePaused(ctx, r.Deployment, r.Schedule, *pause, actor(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	shown, err := wire.Schedule(*changed, h.Now())
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateSchedule200JSONResponse(shown), nil
}

// PreviewSchedule returns the slots of a schedule that is not saved.
func (h *Handler) PreviewSchedule(
	_ context.Context, r apiserver.PreviewScheduleRequestObject,
) (apiserver.PreviewScheduleResponseObject, error) {
	var findings finding.List
	parsed := wire.ParseSchedule(&findings, "/schedule", r.Body.Schedule)
	if parsed == nil {
		return nil, findings.ErrAs(problem.InvalidBody)
	}
	after, count := wire.Or(r.Body.After, h.Now()), int(wire.Or(r.Body.Count, wire.SlotsShown))
	next := wire.NextSlots(parsed, after, count)
	if until := r.Body.Until; until != nil {
		next = wire.NonNil(parsed.Between(after, *until, count))
	}
	return apiserver.PreviewSchedule200JSONResponse{
		Description: schedule.Describe(wire.ReadScheduleSpec(r.Body.Schedule)),
		Next:        next,
	}, nil
}
