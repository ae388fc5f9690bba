package newrun

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/traceparent"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/freeze"
	"github.com/berth-dev/berth/templating/rule"
)

// MaxParameters bounds the merged parameters of a run, in bytes of JSON: they travel in an environment
// variable.
const MaxParameters = 64 << 10

// Deployment is a deployment with its values decoded.
type Deployment struct {
	*store.Deployment
	VariableValues  map[string]any // of JobVariables
	ParameterValues map[string]any // of Parameters
}

// Decode decodes the values of a deployment.
func Decode(d *store.Deployment) (Deployment, error) {
	decoded := Deployment{Deployment: d}
	var err error
	if decoded.VariableValues, err = jsondoc.Object(d.JobVariables); err != nil {
		return decoded, fmt.Errorf("read the job variables of deployment %q: %w", d.Name, err)
	}
	if decoded.ParameterValues, err = jsondoc.Object(d.Parameters); err != nil {
		return decoded, fmt.Errorf("read the parameters of deployment %q: %w", d.Name, err)
	}
	return decoded, nil
}

// Layers are the job variables of the deployment and of one of its runs, with the deployment's frozen values.
func (d Deployment) Layers(own json.RawMessage) (templating.Layers, error) {
	frozen, _ := freeze.Variables(d.VariableValues, d.FrozenVariables) // names without a value freeze nothing
	layers := templating.Layers{Deployment: d.VariableValues, DeploymentFrozen: freeze.Object(frozen)}
	var err error
	if layers.Run, err = jsondoc.Object(own); err != nil {
		return layers, finding.Refuse(problem.VariablesInvalid, "/job_variables", err)
	}
	return layers, nil
}

// frozenParameters returns the parameters that the deployment lets no run override.
func (d Deployment) frozenParameters() []freeze.Value {
	frozen, _ := freeze.Parameters(d.ParameterValues, d.FrozenParameters) // names without a value freeze nothing
	return frozen
}

// HeldParameters are the frozen parameters by their keys, as templating.WithValues takes them.
func (d Deployment) HeldParameters() map[string]any { return freeze.Object(d.frozenParameters()) }

// Maker makes the runs of one revision of a deployment, whose documents are read once for all of them. A
// Maker is not safe for concurrent use.
type Maker struct {
	deployment Deployment
	compiled   *templating.Compiled
	schema     *templating.Schema // of the parameters; nil: none
	variables  *StoredVariables
	// parameters are those of the deployment as they are written: decoding loses the form of numbers.
	parameters    map[string]json.RawMessage
	variableSizes memberSizes // of the deployment's job variables
	enforcement   Enforcement
	// budget bounds the validations of all runs that it makes.
	budget *templating.SchemaBudget
	// judgedAlone is true once the values of the deployment alone were found to make a Job that may be, whatever the
	// run. readsRun is true where the Job may depend on the run.
	judgedAlone, readsRun bool
}

// Maker makes a Maker for a deployment, with the current template and rules of its pool.
func (c *Creator) Maker(ctx context.Context, d *store.Deployment, caller rule.Caller) (*Maker, error) {
	compiled, err := c.templates.OfPool(ctx, c.store, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	decoded, err := Decode(d)
	if err != nil {
		return nil, err
	}
	maker, err := NewMaker(decoded, compiled, NewStoredVariables(c.store))
	if err != nil {
		return nil, err
	}
	rules, err := c.rules.Rules(ctx, c.store, d.Pool)
	if err != nil {
		return nil, err
	}
	references, err := ReadReferences(ctx, c.store, d.Pool)
	if err != nil {
		return nil, err
	}
	maker.Enforce(Enforcement{
		Rules: rules, References: references, Caller: caller, Installation: c.installation,
		Protected: c.templates.Protected(), Now: c.now,
	})
	return maker, nil
}

// NewMaker makes a Maker from a deployment, the compiled template of its pool, and the stored variables that
// values may refer to.
func NewMaker(d Deployment, compiled *templating.Compiled, variables *StoredVariables) (*Maker, error) {
	m := &Maker{
		deployment: d, compiled: compiled, variables: variables, budget: &templating.SchemaBudget{},
		readsRun: compiled.ReadsContext() || bytes.Contains(d.JobVariables, []byte("{{")),
	}
	var err error
	if m.schema, err = compileSchema(d.ParameterSchema); err != nil {
		return nil, err
	}
	if m.parameters, err = jsondoc.Members(d.Parameters); err != nil {
		return nil, err
	}
	if m.variableSizes, err = sizesOf(d.JobVariables); err != nil {
		return nil, err
	}
	return m, nil
}

// Make checks the values of a run and returns the run to store. Warnings are about values that are likely a
// mistake.
func (m *Maker) Make(ctx context.Context, spec api.RunCreate) (store.NewRun, []api.Finding, error) {
	return m.make(ctx, spec)
}

// MakeScheduled makes the run of a slot of a schedule; nil is a slot that is not known.
func (m *Maker) MakeScheduled(
	ctx context.Context, spec api.ScheduleSpec, slot *time.Time,
) (store.NewRun, []api.Finding, error) {
	return m.make(ctx, api.RunCreate{
		Parameters: spec.Parameters, JobVariables: spec.JobVariables, ScheduledTime: slot, Timezone: spec.Timezone,
	})
}

func (m *Maker) make(ctx context.Context, spec api.RunCreate) (store.NewRun, []api.Finding, error) {
	timezone := wire.Or(spec.Timezone, "")
	if err := schedule.CheckTimezone(timezone); err != nil {
		return store.NewRun{}, nil, finding.Refuse(problem.InvalidBody, "/timezone", err)
	}
	parameters, err := m.Parameters(spec.Parameters)
	if err != nil {
		return store.NewRun{}, nil, err
	}
	checked, err := m.jobVariables(ctx, spec.JobVariables)
	if err != nil {
		return store.NewRun{}, nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return store.NewRun{}, nil, fmt.Errorf("generate an ID: %w", err)
	}
	name := wire.Or(spec.Name, "")
	if name == "" {
		name = store.RunName(id)
	}
	result, err := m.judge(ctx, runFacts{
		id: id, name: name, tags: m.deployment.runTags(wire.Or(spec.Tags, nil)),
		scheduled: spec.ScheduledTime, timezone: timezone, parameters: parameters,
	}, checked)
	if err != nil {
		return store.NewRun{}, nil, err
	}
	return store.NewRun{
		ID:            id,
		Deployment:    m.deployment.Name,
		Name:          name,
		Parameters:    parameters,
		JobVariables:  jsondoc.OrEmpty(spec.JobVariables),
		StoredNames:   checked.names,
		Tags:          wire.Or(spec.Tags, nil),
		ScheduledTime: spec.ScheduledTime,
		Timezone:      timezone,
		Revision:      m.deployment.Revision,
		Traceparent:   traceparent.Of(ctx),
		CallerKind:    m.enforcement.Caller.Kind,
		CallerRole:    m.enforcement.Caller.Role,
		RuleFindings:  result.findings,
	}, append(checked.warnings, result.warnings...), nil
}

// Parameters merges the parameters of a run over those of the deployment and checks the result.
func (m *Maker) Parameters(own json.RawMessage) (json.RawMessage, error) {
	ownTexts, err := jsondoc.Members(own)
	if err != nil {
		return nil, err
	}
	ownValues, err := jsondoc.Object(own)
	if err != nil {
		return nil, finding.Refuse(problem.ParametersInvalid, "/parameters", err)
	}
	if err := m.checkFrozenParameters(ownValues); err != nil {
		return nil, err
	}

	texts := maps.Clone(m.parameters)
	maps.Copy(texts, ownTexts)
	values := maps.Clone(m.deployment.ParameterValues)
	maps.Copy(values, ownValues)
	if err := m.keepFrozen(texts, values, ownValues); err != nil {
		return nil, err
	}
	document, err := jsondoc.Encode(texts)
	if err != nil {
		return nil, err
	}
	if len(document) > MaxParameters {
		return nil, problem.Newf(problem.ParametersInvalid,
			"the parameters have %d bytes; at most %d are allowed", len(document), MaxParameters).
			At("/parameters", "%d bytes; at most %d are allowed: store large inputs where the job can read them",
				len(document), MaxParameters)
	}

	if m.schema == nil {
		return document, nil
	}
	return document, finding.Refuse(problem.ParametersInvalid, "/parameters", m.schema.ValidateWithin(values, m.budget))
}

// Spend makes the Maker share a budget with others of the same request.
func (m *Maker) Spend(budget *templating.SchemaBudget) { m.budget = budget }

// checkFrozenParameters refuses a frozen parameter with another value than the deployment's.
func (m *Maker) checkFrozenParameters(own map[string]any) error {
	refusal := problem.Newf(problem.Frozen, "deployment %q has frozen parameters", m.deployment.Name)
	frozen, unset := freeze.Parameters(m.deployment.ParameterValues, m.deployment.FrozenParameters)
	for _, f := range frozen {
		if f.Overridden(own) {
			refusal.At("/parameters"+f.Pointer(),
				"parameter %q is frozen by the deployment and cannot be set for a run", f.Name())
		}
	}
	for _, u := range unset {
		if _, set := own[u.Name]; set {
			refusal.At("/parameters/"+jsondoc.PointerStep(u.Name),
				"parameter %q is frozen by the deployment and cannot be set for a run", u.Name)
		}
	}
	if len(refusal.Findings) > 0 {
		return refusal
	}
	return nil
}

// keepFrozen puts what is frozen inside a parameter back where a run has replaced the parameter as a whole.
func (m *Maker) keepFrozen(texts map[string]json.RawMessage, values, own map[string]any) error {
	for _, f := range m.deployment.frozenParameters() {
		root := f.Path[0]
		if _, replaced := own[root]; !replaced || len(f.Path) == 1 {
			continue
		}
		if !f.Set(values) {
			return problem.Newf(problem.Frozen, "deployment %q has frozen parameters", m.deployment.Name).
				At("/parameters"+f.Pointer(), "parameter %q is frozen, but the value of %q has no place for it",
					f.Name(), root)
		}
		var err error
		if texts[root], err = jsondoc.Encode(values[root]); err != nil {
			return err
		}
	}
	return nil
}

// checkedVariables are job variables that fit the template.
type checkedVariables struct {
	layers   templating.Layers
	stored   map[string]any // stored variables by name
	names    []string       // of the stored variables that deployment and run refer to
	warnings []api.Finding
}

// jobVariables checks the job variables of deployment and run against the template of the pool, with stored
// variables resolved.
func (m *Maker) jobVariables(ctx context.Context, own json.RawMessage) (checkedVariables, error) {
	layers, err := m.deployment.Layers(own)
	if err != nil {
		return checkedVariables{}, err
	}
	checked, err := m.check(ctx, layers)
	if err != nil {
		return checked, err
	}
	return checked, m.checkSize(own, checked.names)
}

// check checks levels of job variables against the template, with stored variables resolved.
func (m *Maker) check(ctx context.Context, layers templating.Layers) (checkedVariables, error) {
	checked := checkedVariables{layers: layers}
	checked.names = templating.StoredReferences(layers.Deployment, layers.Run, layers.DeploymentFrozen)
	var err error
	checked.stored, err = m.variables.Read(ctx, checked.names, m.compiled.StoredReferences())
	if err != nil {
		return checked, err
	}
	warnings, err := m.compiled.ValidateRun(layers, checked.stored)
	if err != nil {
		return checked, finding.Refuse(problem.VariablesInvalid, "/job_variables", err)
	}
	checked.warnings = finding.Under(finding.FromProblems(warnings), "/job_variables")
	return checked, nil
}

// compileSchema compiles the schema of a deployment's parameters; nil when it has none.
func compileSchema(document json.RawMessage) (*templating.Schema, error) {
	if len(document) == 0 {
		return nil, nil
	}
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, finding.Refuse(problem.ParametersInvalid, "/parameter_schema", err)
	}
	compiled, err := templating.CompileSchema(decoded)
	return compiled, finding.Refuse(problem.ParametersInvalid, "/parameter_schema", err)
}
