package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// schedules understands the schedules that a deployment describes, and says what is wrong with them.
func (a *applying) schedules(
	ctx context.Context,
	wrong *refusal,
	d *store.Deployment,
	specs []api.ScheduleSpec,
	current []store.Schedule,
) ([]store.NewSchedule, error) {
	var runs *runMaker
	if len(wrong.findings) == 0 { // what is wrong with the deployment is not said again of each schedule
		runs = a.scheduledRuns(ctx, d)
	}
	var wanted []store.NewSchedule
	for i, spec := range specs {
		at := fmt.Sprintf("/schedules/%d", i)
		name := value(spec.Name, defaultSchedule)
		if slices.ContainsFunc(wanted, func(s store.NewSchedule) bool { return s.Name == name }) {
			wrong.say(problem.InvalidBody, at+"/name", "two schedules are named %q", name)
		}
		next := checkSchedule(wrong, at, spec, a.Now())
		s, err := newSchedule(name, spec, current)
		if err != nil {
			return nil, err
		}
		s.Next = next
		if s.Active && runs != nil { // one that rests may be completed before it is let go
			if err := checkScheduled(ctx, wrong, at, runs, spec); err != nil {
				return nil, err
			}
		}
		wanted = append(wanted, s)
	}
	return wanted, nil
}

// newSchedule is what is stored of a schedule. Whether it is active is kept apart; where nothing is said of
// that, it stays as it is.
func newSchedule(name string, spec api.ScheduleSpec, current []store.Schedule) (store.NewSchedule, error) {
	s, said := store.NewSchedule{Name: name, Active: value(spec.Active, true)}, spec.Active
	spec.Name, spec.Active = &name, nil
	if i := slices.IndexFunc(current, func(c store.Schedule) bool { return c.Name == name }); i >= 0 {
		s.Active = value(said, current[i].Active)
		before, err := decodeSpec(current[i].Spec)
		if err != nil {
			return s, err
		}
		if s.Continues, err = sameSlots(before, spec); err != nil {
			return s, err
		}
	}
	var err error
	if s.Spec, err = json.Marshal(spec); err != nil {
		return s, fmt.Errorf("write schedule %q: %w", name, err)
	}
	return s, nil
}

// sameSlots is true for schedules with the same slots, whatever their runs are given.
func sameSlots(a, b api.ScheduleSpec) (bool, error) {
	var documents [2][]byte
	for i, s := range []api.ScheduleSpec{a, b} {
		var err error
		documents[i], err = json.Marshal(api.ScheduleSpec{
			Cron: s.Cron, IntervalSeconds: s.IntervalSeconds, Rrule: s.Rrule, Anchor: s.Anchor, Timezone: s.Timezone, Start: s.Start, End: s.End,
		})
		if err != nil {
			return false, fmt.Errorf("compare schedules: %w", err)
		}
	}
	return bytes.Equal(documents[0], documents[1]), nil
}

// scheduledRuns makes runs of a deployment as this apply leaves it; nil where it can not have any.
func (a *applying) scheduledRuns(ctx context.Context, d *store.Deployment) *runMaker {
	compiled := a.compiled[d.Pool]
	schema, err := parameterSchema(d.ParameterSchema)
	if err != nil || compiled == nil {
		return nil
	}
	return &runMaker{
		h:          a.Handler,
		deployment: d,
		compiled:   compiled,
		schema:     schema,
		stored:     subjectsOf(ctx, a.Handler, a.tx, compiled),
	}
}

// checkScheduled checks what the runs of a schedule are given as it will be when they are made: nobody adds
// to it then.
func checkScheduled(
	ctx context.Context,
	wrong *refusal,
	at string,
	runs *runMaker,
	spec api.ScheduleSpec,
) error {
	_, _, err := runs.make(ctx, scheduledRun(spec), "", "")
	var refused *problem.Error
	if errors.As(err, &refused) && len(refused.Findings) > 0 {
		wrong.add(refused.Code, at, refused.Findings)
		return nil
	}
	return err
}

func scheduledRun(spec api.ScheduleSpec) api.RunCreate {
	return api.RunCreate{Parameters: spec.Parameters, JobVariables: spec.JobVariables}
}

// sameSchedules is true where a deployment has the schedules that are wanted.
func sameSchedules(current []store.Schedule, wanted []store.NewSchedule) bool {
	return len(current) == len(wanted) && !slices.ContainsFunc(wanted, func(w store.NewSchedule) bool {
		return !slices.ContainsFunc(current, func(c store.Schedule) bool {
			return c.Name == w.Name && c.Active == w.Active && equalJSON(c.Spec, w.Spec)
		})
	})
}
