package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
)

// defaultSchedule is the name of a schedule that has none of its own.
const defaultSchedule = "default"

// slotsShown is how many of the next slots of a schedule are shown.
const slotsShown = 5

// readSpec is a schedule as package schedule knows it.
func readSpec(s api.ScheduleSpec) schedule.Spec {
	return schedule.Spec{
		Cron: value(s.Cron, ""), Every: value(duration(s.IntervalSeconds), 0), RRule: value(s.Rrule, ""),
		Anchor: value(
			s.Anchor,
			time.Time{},
		), Timezone: value(s.Timezone, ""), Start: value(s.Start, time.Time{}), End: value(s.End, time.Time{}),
		Jitter: time.Duration(value(s.JitterSeconds, 0)) * time.Second,
	}
}

func readMisfire(s api.ScheduleSpec) schedule.MisfirePolicy {
	if s.Misfire == nil {
		return schedule.MisfirePolicy{Mode: schedule.Latest}
	}
	return schedule.MisfirePolicy{
		Mode:   schedule.MisfireMode(value(s.Misfire.Mode, api.MisfirePolicyMode(schedule.Latest))),
		Cap:    int(value(s.Misfire.Cap, 0)),
		Oldest: value(duration(s.Misfire.OldestSeconds), 0),
	}
}

func readOverlap(s api.ScheduleSpec) schedule.OverlapPolicy {
	return schedule.OverlapPolicy(value(s.Overlap, api.ScheduleSpecOverlap(schedule.Allow)))
}

// specField is the API's name of a field that package schedule complains about.
func specField(field string) string {
	switch field {
	case "every":
		return "interval_seconds"
	case "jitter":
		return "jitter_seconds"
	}
	return field
}

// checkSchedule says what is wrong with a schedule below a place, and when it comes first. One that never
// comes is refused: nobody means that.
func checkSchedule(wrong *refusal, at string, spec api.ScheduleSpec, now time.Time) (next *time.Time) {
	parsed := parseSchedule(wrong, at, spec)
	if parsed == nil {
		return nil
	}
	if slot, comes := parsed.Next(now); comes {
		return &slot
	}
	if _, ever := parsed.Next(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)); !ever {
		wrong.say(problem.InvalidBody, at, "this never comes: %s", schedule.Describe(readSpec(spec)))
	}
	return nil
}

// parseSchedule understands a schedule, or says what is wrong with it below a place; nil where it could not.
func parseSchedule(wrong *refusal, at string, spec api.ScheduleSpec) *schedule.Schedule {
	parsed, err := schedule.Parse(readSpec(spec))
	var bad *schedule.Error
	switch {
	case errors.As(err, &bad):
		text := "want " + bad.Expected
		if bad.Err != nil {
			text = fmt.Sprintf("%s: %v", text, bad.Err)
		}
		wrong.say(problem.InvalidBody, at+"/"+specField(bad.Field), "%s", text)
		return nil
	case err != nil:
		wrong.say(problem.InvalidBody, at, "%v", err)
		return nil
	}
	return parsed
}

// decodeSpec reads a schedule as it is stored.
func decodeSpec(document json.RawMessage) (api.ScheduleSpec, error) {
	var spec api.ScheduleSpec
	if err := json.Unmarshal(document, &spec); err != nil {
		return spec, fmt.Errorf("read a stored schedule: %w", err)
	}
	return spec, nil
}

func (h *Handler) wireSchedule(s store.Schedule) (api.Schedule, error) {
	spec, err := decodeSpec(s.Spec)
	if err != nil {
		return api.Schedule{}, err
	}
	wire := api.Schedule{
		ID:         s.ID,
		Deployment: s.Deployment,
		Pool:       s.Pool,
		Name:       s.Name,
		Spec:       spec,
		Active:     s.Active,
		Description: schedule.Describe(
			readSpec(spec),
		),
		Next:        []time.Time{},
		LastSlot:    s.LastSlot,
		LastErrorAt: s.LastErrorAt,
	}
	if s.LastError != "" {
		wire.LastError = &s.LastError
	}
	if parsed, err := schedule.Parse(readSpec(spec)); err == nil &&
		s.Active { // what a zone database has dropped since has no slots
		wire.Next = list(parsed.Between(h.Now(), endOfSlots(), slotsShown))
	}
	return wire, nil
}

func endOfSlots() time.Time { return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC) }

func (h *Handler) wireSchedules(schedules []store.Schedule) ([]api.Schedule, error) {
	items := make([]api.Schedule, 0, len(schedules))
	for _, s := range schedules {
		item, err := h.wireSchedule(s)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// ListDeploymentSchedules lists the schedules of a deployment.
func (h *Handler) ListDeploymentSchedules(
	ctx context.Context,
	r api.ListDeploymentSchedulesRequestObject,
) (api.ListDeploymentSchedulesResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	schedules, err := h.store.DeploymentSchedules(ctx, r.Deployment)
	if err != nil {
		return nil, err
	}
	items, err := h.wireSchedules(schedules)
	return api.ListDeploymentSchedules200JSONResponse{Items: items}, err
}

// ListSchedules lists all schedules.
func (h *Handler) ListSchedules(
	ctx context.Context,
	r api.ListSchedulesRequestObject,
) (api.ListSchedulesResponseObject, error) {
	pools := access.From(ctx).Pools
	if pool := value(r.Params.Pool, ""); pool != "" {
		if err := access.From(ctx).CheckPool(pool); err != nil {
			return nil, err
		}
		pools = []string{pool}
	}
	schedules, next, err := h.store.ListSchedules(ctx, pools, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items, err := h.wireSchedules(schedules)
	return api.ListSchedules200JSONResponse{Items: items, NextCursor: optional(next)}, err
}

// UpdateSchedule pauses or resumes a schedule.
func (h *Handler) UpdateSchedule(
	ctx context.Context,
	r api.UpdateScheduleRequestObject,
) (api.UpdateScheduleResponseObject, error) {
	if _, err := h.deployment(ctx, r.Deployment); err != nil {
		return nil, err
	}
	changed, err := h.store.SetScheduleActive(ctx, r.Deployment, r.Schedule, r.Body.Active, actor(ctx))
	if err != nil {
		return nil, err
	}
	wire, err := h.wireSchedule(*changed)
	return api.UpdateSchedule200JSONResponse(wire), err
}

// PreviewSchedule says when a schedule that is not saved would run.
func (h *Handler) PreviewSchedule(
	_ context.Context,
	r api.PreviewScheduleRequestObject,
) (api.PreviewScheduleResponseObject, error) {
	after := value(r.Body.After, h.Now())
	var wrong refusal
	parsed := parseSchedule(&wrong, "/schedule", r.Body.Schedule)
	if len(wrong.findings) > 0 {
		return nil, &problem.Error{
			Code:     problem.InvalidBody,
			Detail:   wrong.findings[0].Message,
			Findings: wrong.findings,
		}
	}
	return api.PreviewSchedule200JSONResponse{
		Description: schedule.Describe(readSpec(r.Body.Schedule)),
		Next:        list(parsed.Between(after, endOfSlots(), int(value(r.Body.Count, slotsShown)))),
	}, nil
}
