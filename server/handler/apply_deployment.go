package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// defaultQueue is the queue that every pool has.
const defaultQueue = "default"

// deployment creates a deployment or brings it to what is described. What is not given has its default: the
// description is all there is to a deployment, except whether it is paused.
func (a *applying) deployment(ctx context.Context, spec api.DeploymentSpec) error {
	if err := access.From(ctx).CheckPool(spec.Pool); err != nil {
		return problem.Newf(problem.Forbidden, "").At("/pool", "%s", err)
	}
	wanted := describedDeployment(spec)
	current, err := a.tx.HoldDeployment(ctx, spec.Name)
	created := isCode(err, store.NotFound)
	switch {
	case err != nil && !created:
		return err
	case !created:
		if err := access.From(ctx).CheckPoolOf(current.Pool, strconv.Quote(spec.Name)); err != nil {
			return problem.Newf(problem.Forbidden, "").At("/name", "%s", err)
		}
		wanted.Paused = current.Paused
	}
	before, err := a.tx.DeploymentSchedules(ctx, spec.Name)
	if err != nil {
		return err
	}
	schedules, err := a.checkDeployment(ctx, wanted, value(spec.Schedules, nil), before)
	if err != nil {
		return err
	}
	var fields []string
	if !created {
		fields = differences(*current, wanted)
	}
	if created || len(fields) > 0 {
		if _, _, err := a.tx.PutDeployment(ctx, wanted, actor(ctx)); err != nil {
			return err
		}
	}
	if !sameSchedules(before, schedules) {
		fields = append(fields, "schedules")
		if err := a.tx.PutSchedules(ctx, spec.Name, schedules, actor(ctx)); err != nil {
			return err
		}
	}
	change := applied{kind: api.ChangeKindDeployment, name: spec.Name, fields: fields}
	if created {
		change.action = api.Create
		return a.change(ctx, change)
	}
	if change.before, err = deploymentDocument(*current, each(before, storedSchedule)); err != nil {
		return err
	}
	if change.after, err = deploymentDocument(wanted, each(schedules, newlyScheduled)); err != nil {
		return err
	}
	return a.change(ctx, change)
}

func describedDeployment(spec api.DeploymentSpec) store.Deployment {
	d := store.Deployment{
		Name: spec.Name, Pool: spec.Pool, Queue: value(spec.Queue, defaultQueue), Version: value(spec.Version, ""),
		Description: value(
			spec.Description,
			"",
		), Tags: value(spec.Tags, nil), JobVariables: object(spec.JobVariables),
		Parameters: object(
			spec.Parameters,
		), ParameterSchema: spec.ParameterSchema, ConcurrencyLimit: spec.ConcurrencyLimit,
		Timeout: duration(spec.TimeoutSeconds), StartDeadline: duration(spec.StartDeadlineSeconds),
	}
	if spec.Retries != nil {
		d.Retries = readRetries(*spec.Retries)
	}
	if f := spec.Frozen; f != nil {
		d.FrozenVariables, d.FrozenParameters = value(f.JobVariables, nil), value(f.Parameters, nil)
	}
	return d
}

// checkDeployment says everything that is wrong with a deployment and its schedules.
func (a *applying) checkDeployment(
	ctx context.Context,
	d store.Deployment,
	described []api.ScheduleSpec,
	before []store.Schedule,
) ([]store.NewSchedule, error) {
	var wrong refusal
	compiled, err := a.poolFor(ctx, d, &wrong)
	if err != nil {
		return nil, err
	}
	variables, err := decodeObject(d.JobVariables)
	wrong.problems(problem.VariablesInvalid, "/job_variables", err)
	if err == nil && compiled != nil {
		warnings, err := compiled.ValidateDeployment(variables)
		wrong.problems(problem.VariablesInvalid, "/job_variables", err)
		a.warn("/job_variables", warnings)
	}
	checkRetries(&wrong, d.Retries, variables, compiled)
	checkFrozenNames(&wrong, "/frozen/job_variables", d.FrozenVariables, d.JobVariables)
	checkFrozenNames(&wrong, "/frozen/parameters", d.FrozenParameters, d.Parameters)
	checkParameterDefaults(&wrong, d)
	schedules, err := a.schedules(ctx, &wrong, &d, described, before)
	if err != nil {
		return nil, err
	}
	return schedules, wrong.errorOrNil()
}

// poolFor finds the deployment's pool and queue, and the template that its job variables are for; nil where
// there is none.
func (a *applying) poolFor(
	ctx context.Context,
	d store.Deployment,
	wrong *refusal,
) (*templating.Compiled, error) {
	queues, err := a.tx.ListQueues(ctx, d.Pool)
	if isCode(err, store.NotFound) {
		wrong.say(
			problem.NotFound,
			"/pool",
			"there is no work pool %q; create it, or describe it under pools",
			d.Pool,
		)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(queues, func(q store.Queue) bool { return q.Name == d.Queue }) {
		wrong.say(problem.NotFound, "/queue", "work pool %q has no queue %q", d.Pool, d.Queue)
	}
	if compiled, ok := a.compiled[d.Pool]; ok {
		return compiled, nil
	}
	version, err := a.tx.GetTemplate(ctx, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	compiled, err := a.Templates.Of(version)
	if err != nil {
		return nil, err
	}
	a.compiled[d.Pool] = compiled
	return compiled, nil
}

func checkFrozenNames(wrong *refusal, at string, names []string, values json.RawMessage) {
	given, err := members(values)
	if err != nil {
		return // said where the values are checked
	}
	for i, name := range names {
		if _, ok := given[name]; !ok {
			wrong.say(
				problem.Frozen,
				fmt.Sprintf("%s/%d", at, i),
				"%q is frozen but the deployment gives it no value",
				name,
			)
		}
	}
}

// checkParameterDefaults checks the schema itself, and of the parameters what can be known before a run adds
// its own: that what is given has the right form. What is required may still come with the run.
func checkParameterDefaults(wrong *refusal, d store.Deployment) {
	parameters, err := decodeObject(d.Parameters)
	if err != nil {
		wrong.problems(problem.ParametersInvalid, "/parameters", err)
		return
	}
	if len(d.Parameters) > maxParameters {
		wrong.say(
			problem.ParametersInvalid,
			"/parameters",
			"%d bytes, at most %d are allowed",
			len(d.Parameters),
			maxParameters,
		)
	}
	if len(d.ParameterSchema) == 0 {
		return
	}
	schema, err := decodeObject(d.ParameterSchema)
	if err == nil {
		_, err = templating.CompileSchema(schema)
	}
	if err != nil {
		wrong.problems(problem.ParametersInvalid, "/parameter_schema", err)
		return
	}
	delete(schema, "required")
	delete(schema, "minProperties")
	partial, err := templating.CompileSchema(schema)
	if err == nil {
		err = partial.Validate(parameters)
	}
	wrong.problems(problem.ParametersInvalid, "/parameters", err)
}

// differences names the fields in which two deployments differ.
func differences(current, wanted store.Deployment) []string {
	var fields []string
	differ := func(name string, equal bool) {
		if !equal {
			fields = append(fields, name)
		}
	}
	differ("pool", current.Pool == wanted.Pool)
	differ("queue", current.Queue == wanted.Queue)
	differ("version", current.Version == wanted.Version)
	differ("description", current.Description == wanted.Description)
	differ("tags", slices.Equal(current.Tags, wanted.Tags))
	differ("job_variables", equalJSON(object(current.JobVariables), wanted.JobVariables))
	differ("parameters", equalJSON(object(current.Parameters), wanted.Parameters))
	differ("parameter_schema", equalJSON(current.ParameterSchema, wanted.ParameterSchema))
	differ("concurrency_limit", equalLimit(current.ConcurrencyLimit, wanted.ConcurrencyLimit))
	differ("timeout_seconds", reflect.DeepEqual(current.Timeout, wanted.Timeout))
	differ("start_deadline_seconds", reflect.DeepEqual(current.StartDeadline, wanted.StartDeadline))
	differ("retries", reflect.DeepEqual(wireRetries(current.Retries), wireRetries(wanted.Retries)))
	differ("frozen", slices.Equal(current.FrozenVariables, wanted.FrozenVariables) &&
		slices.Equal(current.FrozenParameters, wanted.FrozenParameters))
	return fields
}
