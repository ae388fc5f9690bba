package handler

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
	"github.com/berth-dev/berth/templating"
)

// runMaker makes the runs of one deployment. Every way to a run goes through it: frozen values, the schemas
// of parameters and job variables, and the bounds on both are enforced here and nowhere else. What runs have
// in common is read once.
type runMaker struct {
	h          *Handler
	deployment *store.Deployment
	compiled   *templating.Compiled
	schema     *templating.Schema // of the parameters; nil: none
	stored     *subjects
}

// newRuns makes a runMaker for a deployment as it was read: a run is stored against that revision only.
func (h *Handler) newRuns(d *store.Deployment) *runMaker { return &runMaker{h: h, deployment: d} }

// prepare reads what all runs need, once.
func (m *runMaker) prepare(ctx context.Context) error {
	if m.compiled != nil {
		return nil
	}
	version, err := m.h.store.GetTemplate(ctx, m.deployment.Pool, 0)
	if err != nil {
		return err
	}
	compiled, err := m.h.Templates.Of(version)
	if err != nil {
		return err
	}
	if m.schema, err = parameterSchema(m.deployment.ParameterSchema); err != nil {
		return err
	}
	m.compiled, m.stored = compiled, m.h.subjects(ctx, compiled)
	return nil
}

// make checks what a run is given and says what it will be, with warnings of what is likely not meant.
func (m *runMaker) make(
	ctx context.Context,
	given api.RunCreate,
	key, hash string,
) (store.NewRun, []api.Finding, error) {
	if err := m.prepare(ctx); err != nil {
		return store.NewRun{}, nil, err
	}
	parameters, err := m.parameters(given.Parameters)
	if err != nil {
		return store.NewRun{}, nil, err
	}
	names, warnings, err := m.variables(given.JobVariables)
	if err != nil {
		return store.NewRun{}, nil, err
	}
	return store.NewRun{
		Deployment: m.deployment.Name, Name: value(given.Name, ""), Parameters: parameters, JobVariables: object(given.JobVariables),
		StoredNames: names, Tags: value(given.Tags, nil), ScheduledTime: given.ScheduledTime,
		IdempotencyKey: key, BodyHash: hash, Revision: m.deployment.Revision,
	}, warnings, nil
}

// parameters are those of the deployment with the run's laid over them, checked.
func (m *runMaker) parameters(given json.RawMessage) (json.RawMessage, error) {
	document, err := runParameters(m.deployment, given)
	if err != nil {
		return nil, err
	}
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, invalid(problem.ParametersInvalid, "/parameters", err)
	}
	if m.schema == nil {
		return document, nil
	}
	return document, invalid(problem.ParametersInvalid, "/parameters", m.schema.Validate(decoded))
}

func parameterSchema(document json.RawMessage) (*templating.Schema, error) {
	if len(document) == 0 {
		return nil, nil
	}
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, invalid(problem.ParametersInvalid, "/parameter_schema", err)
	}
	compiled, err := templating.CompileSchema(decoded)
	return compiled, invalid(problem.ParametersInvalid, "/parameter_schema", err)
}

// variables checks the job variables of both levels against the pool's template, stored variables resolved,
// and returns the names of the stored variables that the levels refer to.
func (m *runMaker) variables(given json.RawMessage) ([]string, []api.Finding, error) {
	layers, err := layersOf(m.deployment, given)
	if err != nil {
		return nil, nil, err
	}
	names := templating.StoredReferences(layers.Deployment, layers.Run)
	stored, err := m.stored.stored(append(names[:len(names):len(names)], m.stored.names...))
	if err != nil {
		return nil, nil, err
	}
	warnings, err := m.compiled.ValidateRun(layers, stored)
	if err != nil {
		return nil, nil, invalid(problem.VariablesInvalid, "/job_variables", err)
	}
	return names, moved(template.Findings(warnings), "/job_variables"), nil
}
