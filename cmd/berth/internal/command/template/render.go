package template

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/manifest"
)

// renderFlags are what `berth template render` was told.
type renderFlags struct {
	file, engine       string
	variables, stored  string
	deployment         string
	set                []string
	context            string
	job, strict        bool
	workerEnvironments []string
}

func renderCommand(app *cli.App) *cobra.Command {
	var in renderFlags
	cmd := &cobra.Command{
		Use:   "render -f FILE",
		Short: "Render a base job template",
		Long: `Print the rendered job_configuration, or with --job the Job that a worker would create.

Errors in the template are printed to standard error. The template is rendered nevertheless if that
is possible, unless --strict is set.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.file, "file", "f", "",
		"YAML or JSON file with the base job template; - for standard input")
	flags.StringVar(&in.engine, "engine", "", "template engine; overrides the engine in the template")
	flags.StringVar(&in.variables, "variables", "", "YAML or JSON file with job variables of the run")
	flags.StringVar(&in.deployment, "deployment-variables", "",
		"YAML or JSON file with job variables of the deployment; those of the run override them")
	flags.StringArrayVar(
		&in.set,
		"set",
		nil,
		"job variable of the run as name=value; value is JSON if it is valid JSON and not declared as a string (repeatable)",
	)
	flags.StringVar(&in.stored, "stored-variables", "", "YAML or JSON file with stored variables")
	flags.StringVar(&in.context, "context", "",
		"YAML or JSON file with the context: run, deployment, pool, queue and worker")
	flags.StringSliceVar(&in.workerEnvironments, "template-env", nil,
		"environment variable that the template may read (repeatable)")
	flags.BoolVar(&in.job, "job", false, "print the complete Job with its labels")
	flags.BoolVar(&in.strict, "strict", false,
		"fail if the template has errors, even if it can be rendered")
	cli.Required(cmd, "file")
	cli.EnvPerLine(cmd, "set")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := &offlineRender{app: app, in: in, shown: map[string]bool{}}
		output, err := r.run(cmd.Context())
		if err != nil {
			return r.failed(err)
		}
		if *format == cli.Table {
			*format = cli.YAML
		}
		return app.PrintDocument(*format, output)
	}
	return cmd
}

// offlineRender is one render without a server.
type offlineRender struct {
	app    *cli.App
	in     renderFlags
	source *locate.Source
	shown  map[string]bool // by place and message: what compiling has said, rendering meets again
}

func (r *offlineRender) run(ctx context.Context) (any, error) {
	compiled, err := r.compile()
	if err != nil {
		return nil, err
	}
	input, parameters, err := r.in.input(r.app, compiled.VariablesSchema())
	if err != nil {
		return nil, err
	}
	warnings, err := compiled.ValidateRun(input.Layers, input.Stored)
	if err != nil {
		if r.in.strict {
			return nil, err
		}
		r.note(templating.AsProblems(err))
	}
	r.note(warnings)
	rendered, err := compiled.Render(ctx, input)
	if err != nil {
		return nil, err
	}
	if !r.in.job {
		return rendered.Configuration, nil
	}
	id, err := identity(input.Context, parameters)
	if err != nil {
		return nil, err
	}
	finished, err := manifest.Build(rendered, id)
	if err != nil {
		return nil, err
	}
	r.note(finished.Warnings)
	return finished.Job, nil
}

func (r *offlineRender) compile() (*templating.Compiled, error) {
	data, err := r.app.ReadFile(r.in.file)
	if err != nil {
		return nil, err
	}
	r.source = locate.New(data)
	template, err := templating.Parse(data)
	if err != nil {
		return nil, &syntaxError{templating.AsProblems(err)}
	}
	if r.in.engine != "" {
		template.Engine = r.in.engine
	}
	compiled, err := templating.DefaultRegistry().Compile(template)
	if err == nil {
		return compiled, nil
	}
	if compiled == nil || r.in.strict {
		return nil, err
	}
	r.note(templating.AsProblems(err))
	return compiled, nil
}

// syntaxError is a file that is not a template. The positions of its problems are lines and columns of the
// file.
type syntaxError struct{ problems templating.Problems }

func (e *syntaxError) Error() string { return e.problems.Error() }

// failed shows what is wrong, if that is a matter of the template or its values.
func (r *offlineRender) failed(err error) error {
	var problems templating.Problems
	var syntax *syntaxError
	switch {
	case errors.As(err, &syntax):
		r.show(syntax.problems, r.source.Syntax)
	case errors.As(err, &problems):
		r.note(problems)
	default:
		return err
	}
	if syntax != nil {
		return cli.Usagef("%s is not a template", templatefile.FileName(r.in.file))
	}
	return errors.New("cannot render the template")
}

// note shows problems beside the output. Those of values have no place in the template.
func (r *offlineRender) note(problems []templating.Problem) { r.show(problems, r.source.Locate) }

func (r *offlineRender) show(problems []templating.Problem, find func(templating.Problem) locate.Place) {
	printer := diagnostic.Printer{
		Source: r.source, Name: templatefile.FileName(r.in.file), Style: r.app.Style(r.app.Err), Width: r.app.Width(r.app.Err),
	}
	for _, l := range templatefile.Locate(r.source, templatefile.FileName(r.in.file), problems, find) {
		if key := l.Pointer + "\x00" + l.Message; !r.shown[key] {
			r.shown[key] = true
			r.app.Notef("%s", printer.Print(l.Problem, l.Place))
		}
	}
}

// input reads the files and flags that the render depends on.
func (in renderFlags) input(
	app *cli.App, schema map[string]any,
) (templating.Input, json.RawMessage, error) {
	var input templating.Input
	variables, err := in.jobVariables(app, schema)
	if err != nil {
		return input, nil, err
	}
	input.Layers.Run = variables
	if in.deployment != "" {
		if input.Layers.Deployment, err = cli.ReadValues(app, in.deployment); err != nil {
			return input, nil, err
		}
	}
	if in.stored != "" {
		if input.Stored, err = cli.ReadValues(app, in.stored); err != nil {
			return input, nil, err
		}
	}
	parameters := json.RawMessage("{}")
	if in.context != "" {
		document, err := app.ReadDocument(in.context)
		if err != nil {
			return input, nil, err
		}
		if input.Context, err = templating.DecodeContext(document); err != nil {
			return input, nil, cli.Usagef("%s: %v", in.context, err)
		}
		if parameters, err = contextParameters(document); err != nil {
			return input, nil, cli.Usagef("%s: %v", in.context, err)
		}
	}
	if input.Context.Run.Parameters == nil {
		input.Context.Run.Parameters = map[string]any{}
	}
	input.Env = map[string]string{}
	for _, name := range in.workerEnvironments {
		value, ok := app.Env[name]
		if !ok {
			return input, nil, cli.Usagef(
				"--template-env %s: the environment has no %s; set it, as in: %s=value berth template render …",
				name,
				name,
				name,
			)
		}
		input.Env[name] = value
	}
	return input, parameters, nil
}

// contextParameters are the run's parameters as they were written.
func contextParameters(document json.RawMessage) (json.RawMessage, error) {
	var context struct {
		Run struct {
			Parameters json.RawMessage `json:"parameters"`
		} `json:"run"`
	}
	if err := json.Unmarshal(document, &context); err != nil {
		return nil, fmt.Errorf("decode context: %w", err)
	}
	if context.Run.Parameters == nil {
		return json.RawMessage("{}"), nil
	}
	return context.Run.Parameters, nil
}

func (in renderFlags) jobVariables(app *cli.App, schema map[string]any) (map[string]any, error) {
	values := map[string]any{}
	if in.variables != "" {
		var err error
		if values, err = cli.ReadValues(app, in.variables); err != nil {
			return nil, err
		}
	}
	declared, err := json.Marshal(schema)
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	set, err := cli.Assignments("set", in.set, declared)
	if err != nil {
		return nil, err
	}
	for name, raw := range set {
		value, err := templating.DecodeJSON(raw)
		if err != nil {
			return nil, cli.Usagef("--set %s: %v", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// identity is whose Job it is, as far as the context says; what it does not say is a name that is seen to be
// none.
func identity(c templating.Context, parameters json.RawMessage) (manifest.Identity, error) {
	id := manifest.Identity{
		RunName: cmp.Or(
			c.Run.Name, "run",
		), Attempt: max(c.Run.Attempt, 1), Pool: cmp.Or(c.Pool.Name, "pool"), Queue: cmp.Or(c.Queue.Name, "default"),
		Deployment: cmp.Or(c.Deployment.Name,
			"deployment"), LeaseEpoch: 1, TemplateVersion: 1, Parameters: parameters, Namespace: "default",
		ScheduledTime: c.Run.ScheduledTime, Timezone: c.Run.Timezone,
	}
	if id.ScheduledTime.IsZero() {
		id.ScheduledTime = manifest.SampleIdentity().ScheduledTime
	}
	if c.Run.ID == "" {
		return id, nil
	}
	run, err := uuid.Parse(c.Run.ID)
	if err != nil {
		return id, cli.Usagef("the context's run.id %q is not a UUID", c.Run.ID)
	}
	id.RunID = run
	return id, nil
}
