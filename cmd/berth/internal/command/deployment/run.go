package deployment

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/run"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// runFlags is what `berth deployment run` was told.
type runFlags struct {
	params, jobVariables []string
	paramsFile           string
	name, at, timezone   string
	tags                 []string
	idempotencyKey       string
	watch, strict        bool
}

func runCommand(app *cli.App) *cobra.Command {
	var in runFlags
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Run a deployment",
		Long: `Run a deployment.

A value of --param or --job-variable that is valid JSON (3, true, {"a": 1}, "text") is used as JSON,
any other value as a string. If the schema of the deployment's parameters or of the pool's variables
declares a string, the value is always a string: --param version=1.10 stays 1.10.

With --watch, the command prints states and output of the run as they arrive. It exits with 0 if the
run completed and with 1 otherwise.`,
		Example: `  berth deployment run etl --param date=2026-01-01 --watch
  berth deployment run etl --params parameters.yaml --job-variable memory=512 --at 2026-01-01T04:00:00Z`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&in.params, "param", nil, "parameter as name=value (repeatable)")
	flags.StringVar(&in.paramsFile, "params", "",
		"YAML or JSON file with parameters; - for standard input; --param overrides it")
	flags.StringArrayVar(&in.jobVariables, "job-variable", nil, "job variable as name=value (repeatable)")
	flags.StringVar(&in.name, "name", "", "name of the run (default: generated)")
	flags.StringSliceVar(&in.tags, "tag", nil, "tag of the run (repeatable)")
	flags.StringVar(&in.at, "at", "",
		"scheduled time, such as 2026-01-01T04:00:00Z, or a delay, such as 10m (default: now)")
	flags.StringVar(&in.timezone, "timezone", "", "time zone of ctx.run.date in the template, such as Europe/Berlin (default: UTC)")
	flags.StringVar(&in.idempotencyKey, "idempotency-key", "",
		"key that identifies the request; repeated requests with the same key create one run")
	flags.BoolVar(&in.strict, "strict", false, "fail if a job variable is not declared by the template of the pool")
	flags.BoolVarP(&in.watch, "watch", "w", false, "follow the run; exit with 0 if it completed, 1 otherwise")
	cli.EnvPerLine(cmd, "param", "job-variable")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		created, existed, err := createRun(ctx, app, client, args[0], in)
		if err != nil {
			return err
		}
		if existed && !in.watch {
			return cli.PrintConfirmation(app, *format, created, "run %s of deployment %q exists already with this "+
				"idempotency key, it is %s: %s", created.Name, created.Deployment, created.State.Type, created.ID)
		}
		if !in.watch {
			return cli.PrintConfirmation(app, *format, created, "run %s of deployment %q created: %s",
				created.Name, created.Deployment, created.ID)
		}
		if *format == cli.Table {
			app.Notef("run %s of deployment %q: %s", created.Name, created.Deployment, created.ID)
		}
		return run.Watch(ctx, app, client,
			run.WatchOptions{ID: created.ID, Format: *format, Want: api.COMPLETED})
	})
	return cmd
}

// createRun creates a run, or finds the one that an earlier request with the same idempotency key created.
func createRun(
	ctx context.Context, app *cli.App, client *cli.Client, deployment string, in runFlags,
) (run api.Run, existed bool, err error) {
	if flow, name, both := strings.Cut(deployment, "/"); both {
		return run, false, cli.Usagef("deployment %q: names of Berth belong to no flow; write %s, or %s-%s", deployment, name,
			flow, name)
	}
	body, err := in.body(ctx, app, client, deployment)
	if err != nil {
		return api.Run{}, false, err
	}
	params := &api.CreateRunParams{IdempotencyKey: cli.StringOrNil(in.idempotencyKey)}
	r, err := client.CreateRunWithResponse(ctx, deployment, params, body)
	if err == nil && r.StatusCode() == http.StatusOK { // the idempotency key was used before
		run, err = cli.Value(r, err)
		return run, true, err
	}
	run, err = cli.Created(r, err)
	return run, false, lookup.WithNearDeployment(ctx, client, deployment, err)
}

func (in runFlags) body(
	ctx context.Context, app *cli.App, client *cli.Client, deployment string,
) (api.RunCreate, error) {
	body := api.RunCreate{Name: cli.StringOrNil(in.name), Timezone: cli.StringOrNil(in.timezone)}
	if len(in.tags) > 0 {
		body.Tags = &in.tags
	}
	due, err := parseAt(in.at, app.Now())
	if err != nil {
		return body, err
	}
	body.ScheduledTime = due

	schemas, err := in.schemas(ctx, client, deployment)
	if err != nil {
		return body, err
	}
	if body.Parameters, err = in.parameters(app, schemas.parameters); err != nil {
		return body, err
	}
	variables, err := cli.Assignments("job-variable", in.jobVariables, schemas.variables)
	if err != nil || len(variables) == 0 {
		return body, err
	}
	if err := in.warnUndeclared(app, variables, schemas.variables); err != nil {
		return body, err
	}
	body.JobVariables, err = json.Marshal(variables)
	return body, err
}

func (in runFlags) parameters(app *cli.App, schema json.RawMessage) (json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if in.paramsFile != "" {
		var err error
		if values, err = app.ReadObject(in.paramsFile); err != nil {
			return nil, err
		}
	}
	given, err := cli.Assignments("param", in.params, schema)
	if err != nil {
		return nil, err
	}
	for name, value := range given {
		values[name] = value
	}
	if len(values) == 0 {
		return nil, nil
	}
	return json.Marshal(values)
}

type runSchemas struct{ parameters, variables json.RawMessage }

// schemas asks the server for the schemas where they can make a difference.
func (in runFlags) schemas(
	ctx context.Context, client *cli.Client, deployment string,
) (runSchemas, error) {
	var s runSchemas
	if !cli.NeedsSchema(in.params) && len(in.jobVariables) == 0 {
		return s, nil
	}
	d, err := lookup.GetDeployment(ctx, client, deployment)
	if err != nil {
		return s, err
	}
	s.parameters = d.ParameterSchema
	if len(in.jobVariables) == 0 {
		return s, nil
	}
	s.variables, err = lookup.PoolSchema(ctx, client, d.Pool, nil)
	return s, err
}

// warnUndeclared says which job variables the template does not declare: they change nothing. With --strict they
// are errors, as they are where the template allows no others.
func (in runFlags) warnUndeclared(app *cli.App, given map[string]json.RawMessage, schema json.RawMessage) error {
	undeclared := cli.Undeclared(given, schema)
	if in.strict && len(undeclared) > 0 {
		usage := cli.Usagef("unknown job variables")
		usage.Details = undeclared
		return usage
	}
	for _, text := range undeclared {
		app.Notef("%s %s", app.Style(app.Err).Active("warning:"), text)
	}
	return nil
}

// parseAt reads a time, or a duration from now.
func parseAt(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return &at, nil
	}
	if after, err := cli.ParsePeriod(text); err == nil {
		at := now.Add(after).UTC()
		return &at, nil
	}
	return nil, cli.Usagef(
		"--at %q: must be a time, such as 2026-01-01T04:00:00Z, or a delay, such as 10m or 1d", text)
}
