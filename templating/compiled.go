package templating

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/freeze"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/schema"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Compiled is a template that is ready to render. It is immutable and shared by all goroutines.
type Compiled struct {
	engine   string
	template *Template
	// configuration is job_configuration without its env, which is rendered first because the rest may refer
	// to it.
	configuration Program
	environment   Program
	references    []Reference

	source       map[string]any // variables, as written
	schema       *schema.Schema // variables without what is checked by hand: required, additionalProperties
	schemaErrors Problems
	properties   map[string]any
	required     []string
	closed       bool // additionalProperties: false
	defaults     map[string]any
	frozen       map[string]any // as one tree
	frozenValues []freeze.Value // one by one, those of env last
	templateEnv  []string
	warnings     Problems
	// authored is what of the template Substitute leaves as it is.
	authored func() authored

	budget *schema.Budget // of Within; nil: each validation has its own
}

// Within returns the template with a budget for all validations of values together. It is for one request, and not
// safe for concurrent use.
func (c *Compiled) Within(budget *SchemaBudget) *Compiled {
	bounded := *c
	bounded.budget = budget
	return &bounded
}

// Input is everything a render depends on: the same input gives the same bytes, anywhere, any number of
// times.
type Input struct {
	Layers
	// Stored holds the stored variables that StoredReferences names.
	Stored map[string]any
	// Context is the run at hand.
	Context Context
	// Env is the part of the worker's environment that it hands out to templates.
	Env map[string]string
	// Limits bound the render; zero fields mean the defaults.
	Limits Limits
}

// Rendered is a filled-in job_configuration. Its configuration shares nothing with the template or the input.
type Rendered struct {
	Configuration map[string]any
	// Defaulted names the variables that hold the template's default because no level below set them.
	Defaulted map[string]bool
	// EnvUnset are the environment variables that a level set to null, in order: the job container has none of
	// them, whatever the manifest says.
	EnvUnset []string
	// Warnings are about the job variables, where RenderRun checked them.
	Warnings Problems
	// Used is what of the limits the render used.
	Used Limits
	// Template is what was rendered, as it was written; not to be changed.
	Template *Template

	// compiled and input are what it was rendered from, for Substitute.
	compiled *Compiled
	input    Input
}

// ConfigurationPointer is the JSON pointer of job_configuration in a template.
const ConfigurationPointer = "/job_configuration"

// Engine is the name of the engine that compiled the template.
func (c *Compiled) Engine() string { return c.engine }

// Warnings are what is not wrong, but likely not meant.
func (c *Compiled) Warnings() []Problem { return slices.Clone(c.warnings) }

// References lists every place of the template that takes a value from outside.
func (c *Compiled) References() []Reference { return slices.Clone(c.references) }

// StoredReferences returns the names of the stored variables that the template itself refers to, its defaults
// included.
func (c *Compiled) StoredReferences() []string {
	names := map[string]bool{}
	for _, reference := range c.references {
		if reference.Kind == ReferenceStored {
			names[reference.Root()] = true
		}
	}
	collectStored(c.defaults, names, 0)
	collectStored(c.frozen, names, 0)
	return sortedNames(names)
}

// Render merges the job variables and fills them in. It does not check them against the schema: that is
// ValidateRun's, when the run is created; frozen values are held here as well. What went wrong comes back as
// Problems.
func (c *Compiled) Render(ctx context.Context, in Input) (*Rendered, error) {
	rendered, err := c.render(ctx, in)
	if err != nil {
		return nil, err
	}
	return rendered, nil
}

// render returns what could be rendered also when something went wrong.
func (c *Compiled) render(ctx context.Context, in Input) (*Rendered, error) {
	merged, problems := c.merge(in.Layers, in.Stored, &in.Context)
	if len(problems) > 0 {
		return nil, problems
	}
	return c.renderMerged(ctx, in, merged)
}

func (c *Compiled) renderMerged(ctx context.Context, in Input, merged merged) (*Rendered, error) {
	values, err := c.values(ctx, in, merged)
	if err != nil {
		return nil, err
	}
	configuration, err := c.fill(ctx, values, merged.env)
	if configuration == nil {
		return nil, err
	}
	return &Rendered{
		Configuration: configuration,
		Defaulted:     c.defaulted(in.Layers),
		EnvUnset:      merged.env.unset(),
		Used:          values.Budget(ctx).Used(),
		Template:      c.template,
		compiled:      c,
		input:         in,
	}, err
}

// fill renders job_configuration. What could be rendered may be there beside Problems.
func (c *Compiled) fill(ctx context.Context, values *Values, env envList) (map[string]any, error) {
	var problems Problems
	if err := c.renderEnv(ctx, values, env); err != nil {
		var envProblems Problems
		if !errors.As(err, &envProblems) {
			return nil, err
		}
		problems = append(problems, envProblems...)
	}
	configuration, err := renderObject(ctx, c.configuration, values)
	if configuration == nil {
		return nil, err
	}
	problems = append(problems, AsProblems(err)...)
	if env, ok := values.Variables[envVariable]; ok && (c.environment != nil || c.takesEnv()) {
		copied, err := values.Budget(ctx).Copy(env)
		if err != nil {
			return nil, Problems{problem.Errorf(CodeLimit, ConfigurationPointer+"/env", "%v", err)}
		}
		configuration[envVariable] = copied
	}
	return configuration, problems.ErrorOrNil()
}

// takesEnv is true where the template declares env and puts it nowhere: then it goes where all other templates
// have it.
func (c *Compiled) takesEnv() bool {
	_, declared := c.properties[envVariable]
	return declared && c.environment == nil && !slices.ContainsFunc(c.references, func(r Reference) bool {
		return r.Kind == ReferenceAll || r.Kind == ReferenceVariable && r.Root() == envVariable
	})
}

// values gathers what the programs of the template are rendered with.
func (c *Compiled) values(ctx context.Context, in Input, merged merged) (*Values, error) {
	var tree map[string]any
	if c.ReadsContext() {
		var err error
		if tree, err = in.Context.Tree(); err != nil {
			return nil, Problems{problem.Errorf(CodeRender, "/ctx", "%v", err)}
		}
	}
	stored, err := normalizeObject("stored variables", in.Stored)
	if err != nil {
		return nil, Problems{problem.Errorf(CodeStored, "", "%v", err)}
	}
	values := &Values{
		Variables: merged.all(), Context: tree, Stored: stored, Env: c.readableEnv(in.Env),
		Now: in.Context.Run.ScheduledTime.UTC(), Seed: seed(in.Context.Run), Limits: in.Limits,
	}
	return values.Charge(value.NewBudget(ctx, in.Limits)), nil
}

// ReadsContext is true where the template looks at the run at hand: most do not.
func (c *Compiled) ReadsContext() bool {
	return slices.ContainsFunc(c.references,
		func(r Reference) bool { return r.Kind == ReferenceContext || r.Kind == ReferenceAll })
}

// renderEnv renders job_configuration.env and lays the variable over it: its literal entries are the lowest
// level.
func (c *Compiled) renderEnv(ctx context.Context, values *Values, over envList) error {
	if c.environment == nil {
		return nil
	}
	base, err := c.environment.Render(ctx, values)
	if errors.Is(err, ErrNoValue) {
		base, err = nil, nil
	}
	if err != nil {
		return err
	}
	env, problems := parseEnv(base, ConfigurationPointer+"/env")
	if len(problems) > 0 {
		return problems
	}
	delete(values.Variables, envVariable)
	if printed, ok := env.over(over).print(); ok {
		values.Variables[envVariable] = printed
	}
	return nil
}

// renderObject renders a program whose tree is an object; the object may be there beside an error.
func renderObject(ctx context.Context, p Program, values *Values) (map[string]any, error) {
	v, err := p.Render(ctx, values)
	object, ok := v.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("job_configuration rendered to %s", value.Article(value.Kind(v)))
	}
	return object, err
}

// readableEnv keeps of the worker's environment what the template may read.
func (c *Compiled) readableEnv(env map[string]string) map[string]string {
	readable := map[string]string{}
	for _, name := range c.templateEnv {
		if v, ok := env[name]; ok {
			readable[name] = v
		}
	}
	return readable
}

// seed is what uuidv4 is derived from: the run and its attempt.
func seed(run RunContext) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "berth:run:%s:%d", run.ID, run.Attempt))
}

// defaulted names the variables that no level below the template set. Only plain names count: env is merged,
// never just taken over.
func (c *Compiled) defaulted(l Layers) map[string]bool {
	defaulted := make(map[string]bool, len(c.defaults))
	for name := range c.defaults {
		defaulted[name] = true
	}
	for _, level := range []map[string]any{l.Deployment, l.Run, l.DeploymentFrozen, c.frozen} {
		for name := range level {
			delete(defaulted, name)
		}
	}
	for key := range l.DeploymentFrozen {
		if path := freeze.ParseKey(key); len(path) > 0 && path[0] != envVariable {
			delete(defaulted, path[0])
		}
	}
	return defaulted
}

// VariablesSchema is the schema for clients that fill it in: frozen variables are marked
// readOnly with their value as const.
func (c *Compiled) VariablesSchema() map[string]any {
	schema := value.CopyMap(c.source)
	if schema == nil {
		schema = map[string]any{"type": "object"}
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		properties = map[string]any{}
		schema["properties"] = properties
	}
	for _, f := range c.frozenValues {
		markFrozen(properties, f)
	}
	return schema
}

// RunSchema is VariablesSchema as it is for runs of one deployment.
func (c *Compiled) RunSchema(l Layers) map[string]any {
	return WithValues(c.VariablesSchema(), l.Deployment, l.DeploymentFrozen)
}

// WithValues is the schema of an object some of whose values are known: they are the defaults and need not be
// given again, and frozen ones, by their keys, are marked as readOnly with their value as const. What is
// marked so already stays. The schema it is given is changed.
func WithValues(schema, values, frozen map[string]any) map[string]any {
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		properties = map[string]any{}
		schema["type"], schema["properties"] = "object", properties
	}
	for name, v := range values {
		property, _ := properties[name].(map[string]any)
		if _, is := frozen[name]; is || property["readOnly"] == true {
			continue
		}
		mergeProperty(properties, name, map[string]any{"default": value.Copy(v)})
	}
	for _, key := range value.SortedKeys(frozen) {
		path := freeze.ParseKey(key)
		if property, _ := properties[path[0]].(map[string]any); property["readOnly"] == true {
			continue
		}
		markFrozen(properties, freeze.Value{Path: path, Value: frozen[key]})
	}
	dropRequired(schema, values)
	return schema
}

// dropRequired takes what has a value already from the list of what must be given.
func dropRequired(schema, given map[string]any) {
	required, ok := schema["required"].([]any)
	if !ok {
		return
	}
	required = slices.DeleteFunc(slices.Clone(required), func(name any) bool {
		text, _ := name.(string)
		_, is := given[text]
		return is
	})
	schema["required"] = required
	if len(required) == 0 {
		delete(schema, "required")
	}
}

func mergeProperty(properties map[string]any, name string, add map[string]any) {
	property, ok := properties[name].(map[string]any)
	if !ok {
		property = map[string]any{}
	}
	maps.Copy(property, add)
	properties[name] = property
}
