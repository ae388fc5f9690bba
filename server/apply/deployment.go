package apply

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/freeze"
)

// applyDeployment creates or updates a deployment with its schedules. Whether it is paused stays as it is.
func (p *planner) applyDeployment(ctx context.Context, spec api.DeploymentSpec) error {
	current, err := p.lockDeployment(ctx, spec)
	if err != nil {
		return err
	}
	wanted := wire.ReadDeployment(spec)
	if current != nil {
		wanted.Paused = current.Paused
	}
	before, err := p.tx.ListDeploymentSchedules(ctx, spec.Name)
	if err != nil {
		return err
	}
	specs := wire.Or(spec.Schedules, nil)
	if wire.Or(spec.KeepSchedules, false) {
		if spec.Schedules != nil {
			return problem.Newf(problem.InvalidBody, "").At("/keep_schedules", "contradicts schedules: write one of them")
		}
		if specs, err = keptSchedules(before); err != nil {
			return err
		}
	}
	schedules, err := p.checkDeployment(ctx, wanted, specs, before)
	if err != nil {
		return err
	}

	var fields []string
	if current != nil {
		fields = differences(*current, wanted)
	}
	if current == nil || len(fields) > 0 {
		if _, _, err := p.tx.UpsertDeployment(ctx, wanted, p.By.Name); err != nil {
			return err
		}
	}
	if !sameSchedules(before, schedules) {
		fields = append(fields, "schedules")
		if err := p.tx.UpdateSchedules(ctx, spec.Name, schedules, p.By.Name); err != nil {
			return err
		}
	}

	c := change{kind: api.ChangeKindDeployment, name: spec.Name, pool: spec.Pool, fields: fields}
	if current == nil {
		c.action = api.Create
	} else {
		c.from = current.Pool
	}
	if current == nil || len(fields) > 0 || p.newToProject(c.kind, c.name) {
		if err := c.setDeployment(current, before, wanted, schedules); err != nil {
			return err
		}
	}
	return p.record(ctx, c)
}

// lockDeployment locks the deployment if it exists, and checks that the key is for its pool and for the one
// that it moves to.
func (p *planner) lockDeployment(ctx context.Context, spec api.DeploymentSpec) (*store.Deployment, error) {
	if err := p.checkVisible(spec.Pool, "/pool"); err != nil {
		return nil, err
	}
	current, err := p.tx.LockDeployment(ctx, spec.Name)
	if store.IsCode(err, store.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Names are unique among all pools, so that a name is known to be taken; the pool stays hidden.
	if p.By.RoleIn(current.Pool) == "" {
		return nil, problem.Newf(problem.Forbidden, "").At("/name",
			"the name %q is taken in a work pool in which %s has no role: choose another name", spec.Name, p.By)
	}
	if current.Pool != spec.Pool {
		if err := p.By.Check("Apply", current.Pool); err != nil {
			return nil, problem.Newf(problem.Forbidden, "").At("/pool", "move it out of its work pool: %s", err)
		}
	}
	return current, nil
}

// setDeployment describes a deployment before and after the change; current is nil for a new one.
func (c *change) setDeployment(
	current *store.Deployment, before []store.Schedule, wanted store.Deployment, after []store.NewSchedule,
) error {
	var err error
	if current != nil {
		if c.before, err = wire.DeploymentDocument(*current, wire.DeclaredSchedules(before)); err != nil {
			return err
		}
	}
	c.after, err = wire.DeploymentDocument(wanted, wire.Each(after, func(s store.NewSchedule) wire.DeclaredSchedule {
		return wire.DeclaredSchedule{Active: s.Active, Spec: s.Spec}
	}))
	return err
}

// checkDeployment finds everything that is wrong with a deployment and its schedules, and returns the
// schedules to store.
func (p *planner) checkDeployment(
	ctx context.Context, d store.Deployment, specs []api.ScheduleSpec, before []store.Schedule,
) ([]store.NewSchedule, error) {
	var findings finding.List
	compiled, err := p.templateFor(ctx, d, &findings)
	if err != nil {
		return nil, err
	}

	if len(d.JobVariables) > newrun.MaxJobVariables {
		findings.Addf(problem.VariablesInvalid, "/job_variables", "%s", newrun.TooLarge(len(d.JobVariables)))
	}
	variables, err := jsondoc.Object(d.JobVariables)
	findings.AddProblems(problem.VariablesInvalid, "/job_variables", err)
	if err == nil && compiled != nil {
		warnings, err := compiled.ValidateDeployment(variables)
		findings.AddProblems(problem.VariablesInvalid, "/job_variables", err)
		p.warn("/job_variables", warnings)
	}
	parameters, err := jsondoc.Object(d.Parameters)
	findings.AddProblems(problem.ParametersInvalid, "/parameters", err)

	checkRetries(&findings, d.Retries, variables, compiled)
	checkFrozenNames(&findings, "/frozen/job_variables", d.FrozenVariables, variables, freeze.Variables)
	checkFrozenNames(&findings, "/frozen/parameters", d.FrozenParameters, parameters, freeze.Parameters)
	p.checkParameters(&findings, d, parameters)

	decoded := newrun.Deployment{Deployment: &d, VariableValues: variables, ParameterValues: parameters}
	if findings.Empty() && compiled != nil {
		if err := p.checkJob(ctx, &findings, decoded, compiled); err != nil {
			return nil, err
		}
	}
	schedules, err := p.checkSchedules(ctx, &findings, decoded, specs, before)
	if err != nil {
		return nil, err
	}
	return schedules, findings.Err()
}

// templateFor returns the template that the job variables of a deployment are for. It is nil, with a finding,
// when the deployment's pool does not exist.
func (p *planner) templateFor(
	ctx context.Context, d store.Deployment, findings *finding.List,
) (*templating.Compiled, error) {
	queues, err := p.tx.ListQueues(ctx, d.Pool)
	if store.IsCode(err, store.NotFound) {
		findings.Addf(problem.NotFound, "/pool",
			"work pool %q does not exist; create it, or declare it under pools", d.Pool)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(queues, func(q store.Queue) bool { return q.Name == d.Queue }) {
		findings.Addf(problem.NotFound, "/queue", "work pool %q has no queue %q", d.Pool, d.Queue)
	}

	if compiled, ok := p.compiled[d.Pool]; ok {
		return compiled, nil
	}
	compiled, err := p.templates.OfPool(ctx, p.tx, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	p.compiled[d.Pool] = compiled
	return compiled, nil
}

// checkFrozenNames finds names without a value to freeze. Values that could not be decoded are nil and have
// their finding already.
func checkFrozenNames(
	findings *finding.List, at string, names []string, values map[string]any, resolve frozenResolver,
) {
	if values == nil {
		return
	}
	_, unknown := resolve(values, names)
	for _, u := range unknown {
		hint := ""
		if u.Nearest != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", u.Nearest)
		}
		findings.Addf(problem.Frozen, fmt.Sprintf("%s/%d", at, u.Index),
			"%q is frozen, but the deployment has no value for it%s", u.Name, hint)
	}
}

// frozenResolver finds the values that frozen names stand for, and the names that stand for none.
type frozenResolver func(values map[string]any, names []string) ([]freeze.Value, []freeze.Unknown)

// checkParameters checks the schema of the parameters, and the deployment's own parameters against it. A run
// may still add the ones that the schema requires.
func (p *planner) checkParameters(findings *finding.List, d store.Deployment, parameters map[string]any) {
	if parameters == nil {
		return // has a finding already
	}
	if len(d.Parameters) > newrun.MaxParameters {
		findings.Addf(problem.ParametersInvalid, "/parameters",
			"%d bytes; at most %d are allowed", len(d.Parameters), newrun.MaxParameters)
	}
	findings.AddProblems(problem.ParametersInvalid, "/parameters", templating.CheckParameters(parameters).ErrorOrNil())
	if len(d.ParameterSchema) == 0 {
		return
	}
	schema, err := jsondoc.Object(d.ParameterSchema)
	if err == nil {
		_, err = templating.CompileSchema(schema)
	}
	if err != nil {
		findings.AddProblems(problem.ParametersInvalid, "/parameter_schema", err)
		return
	}

	delete(schema, "required")
	delete(schema, "minProperties")
	partial, err := templating.CompileSchema(schema)
	if err == nil {
		err = partial.ValidateWithin(parameters, &p.budget)
	}
	findings.AddProblems(problem.ParametersInvalid, "/parameters", err)
}

// differences names the fields in which two deployments differ.
func differences(current, wanted store.Deployment) []string {
	var fields []string
	compare := func(name string, equal bool) {
		if !equal {
			fields = append(fields, name)
		}
	}
	compare("pool", current.Pool == wanted.Pool)
	compare("queue", current.Queue == wanted.Queue)
	compare("version", current.Version == wanted.Version)
	compare("description", current.Description == wanted.Description)
	compare("tags", slices.Equal(current.Tags, wanted.Tags))
	compare("job_variables", jsondoc.Equal(jsondoc.OrEmpty(current.JobVariables), wanted.JobVariables))
	compare("parameters", jsondoc.Equal(jsondoc.OrEmpty(current.Parameters), wanted.Parameters))
	compare("parameter_schema", jsondoc.Equal(current.ParameterSchema, wanted.ParameterSchema))
	compare("concurrency_limit", equalLimit(current.ConcurrencyLimit, wanted.ConcurrencyLimit))
	compare("timeout_seconds", reflect.DeepEqual(current.Timeout, wanted.Timeout))
	compare("start_deadline_seconds", reflect.DeepEqual(current.StartDeadline, wanted.StartDeadline))
	// As the API shows them: policies with the same effect are stored in more than one form.
	compare("retries", reflect.DeepEqual(wire.RetryPolicy(current.Retries), wire.RetryPolicy(wanted.Retries)))
	compare("frozen", slices.Equal(current.FrozenVariables, wanted.FrozenVariables) &&
		slices.Equal(current.FrozenParameters, wanted.FrozenParameters))
	return fields
}
