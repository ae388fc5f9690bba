package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
)

// checkSchedules finds what is wrong with the schedules of a deployment and returns the schedules to store.
func (p *planner) checkSchedules(
	ctx context.Context,
	findings *finding.List,
	d newrun.Deployment,
	specs []api.ScheduleSpec,
	current []store.Schedule,
) ([]store.NewSchedule, error) {
	// Without a maker, only the times are checked: what is wrong with the deployment is not repeated for each
	// of its schedules.
	var maker *newrun.Maker
	if compiled := p.compiled[d.Pool]; findings.Empty() && compiled != nil && len(specs) > 0 {
		var err error
		if maker, err = newrun.NewMaker(d, compiled, newrun.NewStoredVariables(p.tx)); err != nil {
			return nil, err
		}
		maker.Spend(&p.budget)
		rules, err := p.rulesOf(ctx, d.Pool)
		if err != nil {
			return nil, err
		}
		references, err := p.referencesOf(ctx, d.Pool)
		if err != nil {
			return nil, err
		}
		maker.Enforce(newrun.Enforcement{
			Rules: rules, References: references, Caller: rulebook.ScheduleCaller(store.ScheduleActor), Installation: p.installation,
			Protected: p.templates.Protected(), Now: func() time.Time { return p.now },
		})
	}

	var wanted []store.NewSchedule
	for i, spec := range specs {
		at := fmt.Sprintf("/schedules/%d", i)
		name := wire.Or(spec.Name, wire.DefaultSchedule)
		if slices.ContainsFunc(wanted, func(s store.NewSchedule) bool { return s.Name == name }) {
			findings.Addf(problem.InvalidBody, at+"/name", "duplicate schedule name %q", name)
		}
		before := findings.Len()
		next := p.checkTimes(findings, at, spec)
		fits := findings.Len() == before
		if parameters, err := jsondoc.Object(spec.Parameters); err == nil {
			findings.AddProblems(problem.ParametersInvalid, at+"/parameters", templating.CheckParameters(parameters).ErrorOrNil())
		}
		s, err := newSchedule(name, spec, current)
		if err != nil {
			return nil, err
		}
		s.Next = next

		// The values of an inactive schedule may be completed before it is resumed.
		if s.Active && maker != nil && fits {
			if err := p.checkRun(ctx, findings, at, maker, spec, next); err != nil {
				return nil, err
			}
		}
		wanted = append(wanted, s)
	}
	return wanted, nil
}

// keptSchedules are the schedules of a deployment as it has them.
func keptSchedules(current []store.Schedule) ([]api.ScheduleSpec, error) {
	specs := make([]api.ScheduleSpec, len(current))
	for i, s := range current {
		var err error
		if specs[i], err = wire.ReadStoredSchedule(s.Spec); err != nil {
			return nil, err
		}
		specs[i].Active = &s.Active
	}
	return specs, nil
}

// checkTimes finds what is wrong with the times of a schedule and returns its next slot. A schedule that
// never has a slot is refused: it is always a mistake. One that has come to its end may be applied again, with a
// warning.
func (p *planner) checkTimes(findings *finding.List, at string, spec api.ScheduleSpec) (next *time.Time) {
	parsed := wire.ParseSchedule(findings, at, spec)
	if parsed == nil {
		return nil
	}
	if slot, ok := parsed.Next(p.now); ok {
		return &slot
	}
	if _, ever := parsed.Next(time.Unix(0, 0).UTC()); !ever {
		findings.Addf(problem.InvalidBody, at, "the schedule never runs: %s",
			schedule.Describe(wire.ReadScheduleSpec(spec)))
		return nil
	}
	over := api.Finding{Pointer: at, Message: "the schedule runs no more: all its slots have passed"}
	p.warnings = append(p.warnings, finding.Under([]api.Finding{over}, p.place)...)
	return nil
}

// checkRun checks the values that a schedule gives its runs as the scheduler will.
func (p *planner) checkRun(
	ctx context.Context, findings *finding.List, at string, maker *newrun.Maker, spec api.ScheduleSpec, slot *time.Time,
) error {
	_, warnings, err := maker.MakeScheduled(ctx, spec, slot)
	var refused *problem.Error
	if errors.As(err, &refused) && len(refused.Findings) > 0 {
		findings.Add(refused.Code, at, refused.Findings)
		return nil
	}
	if err != nil {
		return err
	}
	own, err := jsondoc.Object(spec.JobVariables)
	for _, w := range warnings { // those of the deployment have been said
		variable, ok := strings.CutPrefix(w.Pointer, "/job_variables/")
		if ok && newrun.Gives(own, jsondoc.FirstStep(variable)) {
			p.warnings = append(p.warnings, finding.Under([]api.Finding{w}, p.place+at)...)
		}
	}
	return err
}

// newSchedule returns a schedule to store. Whether it is active is stored apart from its specification, and
// stays as it is when the file does not say.
func newSchedule(name string, spec api.ScheduleSpec, current []store.Schedule) (store.NewSchedule, error) {
	s, declared := store.NewSchedule{Name: name, Active: wire.Or(spec.Active, true)}, spec.Active
	spec.Name, spec.Active = &name, nil
	if i := slices.IndexFunc(current, func(c store.Schedule) bool { return c.Name == name }); i >= 0 {
		s.Active = wire.Or(declared, current[i].Active)
		before, err := wire.ReadStoredSchedule(current[i].Spec)
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

// sameSlots reports whether two schedules have the same slots, whatever they give their runs.
func sameSlots(a, b api.ScheduleSpec) (bool, error) {
	var documents [2][]byte
	for i, s := range []api.ScheduleSpec{a, b} {
		var err error
		documents[i], err = json.Marshal(api.ScheduleSpec{
			Cron: s.Cron, IntervalSeconds: s.IntervalSeconds, Rrule: s.Rrule, Anchor: s.Anchor,
			Timezone: s.Timezone, Start: s.Start, End: s.End,
		})
		if err != nil {
			return false, fmt.Errorf("compare schedules: %w", err)
		}
	}
	return bytes.Equal(documents[0], documents[1]), nil
}

// sameSchedules reports whether a deployment already has the wanted schedules.
func sameSchedules(current []store.Schedule, wanted []store.NewSchedule) bool {
	if len(current) != len(wanted) {
		return false
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(current, func(c store.Schedule) bool {
			return c.Name == w.Name && c.Active == w.Active && jsondoc.Equal(c.Spec, w.Spec)
		}) {
			return false
		}
	}
	return true
}
