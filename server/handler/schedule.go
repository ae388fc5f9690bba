package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/wire"
)

// ListDeploymentSchedules lists the schedules of a deployment.
func (h *Handler) ListDeploymentSchedules(
	ctx context.Context,
	r apiserver.ListDeploymentSchedulesRequestObject,
) (apiserver.ListDeploymentSchedulesResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	schedules, err := h.store.DeploymentSchedules(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	items, err := wire.Schedules(schedules, h.Now())
	return apiserver.ListDeploymentSchedules200JSONResponse{Items: items}, err
}

// ListSchedules lists all schedules.
func (h *Handler) ListSchedules(
	ctx context.Context,
	r apiserver.ListSchedulesRequestObject,
) (apiserver.ListSchedulesResponseObject, error) {
	pools := access.From(ctx).Pools
	if pool := wire.Or(r.Params.Pool, ""); pool != "" {
		if err := access.From(ctx).CheckPool(pool); err != nil {
			return nil, err
		}
		pools = []string{pool}
	}
	schedules, next, err := h.store.ListSchedules(ctx, pools, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items, err := wire.Schedules(schedules, h.Now())
	return apiserver.ListSchedules200JSONResponse{Items: items, NextCursor: wire.OrNil(next)}, err
}

// UpdateSchedule pauses or resumes a schedule.
func (h *Handler) UpdateSchedule(
	ctx context.Context,
	r apiserver.UpdateScheduleRequestObject,
) (apiserver.UpdateScheduleResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	changed, err := h.store.SetScheduleActive(ctx, r.Deployment, r.Schedule, r.Body.Active, actor(ctx))
	if err != nil {
		return nil, err
	}
	shown, err := wire.Schedule(*changed, h.Now())
	return apiserver.UpdateSchedule200JSONResponse(shown), err
}

// PreviewSchedule says when a schedule that is not saved would run.
func (h *Handler) PreviewSchedule(
	_ context.Context,
	r apiserver.PreviewScheduleRequestObject,
) (apiserver.PreviewScheduleResponseObject, error) {
	after := wire.Or(r.Body.After, h.Now())
	var findings finding.List
	parsed := wire.ParseSchedule(&findings, "/schedule", r.Body.Schedule)
	if parsed == nil {
		return nil, findings.ErrAs(problem.InvalidBody)
	}
	return apiserver.PreviewSchedule200JSONResponse{
		Description: schedule.Describe(wire.ReadScheduleSpec(r.Body.Schedule)),
		Next:        wire.NextSlots(parsed, after, int(wire.Or(r.Body.Count, wire.SlotsShown))),
	}, nil
}
