package pool

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func templatePreviewCommand(app *cli.App) *cobra.Command {
	var body api.TemplatePreviewRequest
	var version int32
	var file, deployment, variables string
	var set, params []string
	cmd := &cobra.Command{
		Use:   "preview POOL [--deployment NAME] [--version N | -f FILE]",
		Short: "Print the Job that a run would create, without running it",
		Long: `Print the Job that a run would create, without running it. What is wrong with the template or the
values is printed to standard error, and the command exits with 1.` + aboutOnCluster,
		Example: `  berth pool template preview default --deployment etl --param date=2026-01-01
  berth pool template preview default --deployment etl --on-cluster
  berth pool template preview default -f template.yaml --job-variable memory=512`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	flags := cmd.Flags()
	flags.StringVar(&deployment, "deployment", "", "deployment of the pool whose values are used")
	flags.Int32Var(&version, "version", 0, "version of the template (default: the newest)")
	flags.StringVarP(&file, "file", "f", "",
		"local file with a template; - for standard input")
	flags.StringVar(&variables, "variables", "", "YAML or JSON file with job variables of the run")
	flags.StringArrayVar(
		&set,
		"job-variable",
		nil,
		"job variable of the run as name=value; value is JSON if it is valid JSON and not declared as a string (repeatable)",
	)
	flags.StringArrayVar(&params, "param", nil,
		"parameter of the run as name=value; value is JSON if it is valid JSON and not declared as a string (repeatable)")
	cmd.MarkFlagsMutuallyExclusive("version", "file")
	cli.EnvPerLine(cmd, "job-variable", "param")
	cluster := onClusterFlags(cmd, "the Job")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		seconds, err := cluster.seconds(cmd)
		if err != nil {
			return err
		}
		given, err := templatefile.Read(app, file)
		if err != nil {
			return err
		}
		body.Document = given.Document
		if version > 0 {
			body.Version = &version
		}
		if deployment != "" {
			body.Deployment = &deployment
		}
		if err := readRun(ctx, app, client, args[0], &body, runValues{variables, set, params}); err != nil {
			return err
		}
		if cluster.ask {
			answer, err := cli.Value(client.DryRunTemplateWithResponse(ctx, args[0], api.TemplateDryRunRequest{
				Document: body.Document, Version: body.Version, Deployment: body.Deployment,
				JobVariables: body.JobVariables, Parameters: body.Parameters, TimeoutSeconds: seconds,
			}))
			if err != nil {
				return given.PrintRejection(err)
			}
			return given.PrintDryRun(*format, answer)
		}
		seen, err := cli.Value(client.PreviewTemplateWithResponse(ctx, args[0], body))
		if err != nil {
			return given.PrintRejection(err)
		}
		return given.PrintPreview(*format, seen)
	})
	return cmd
}

// runValues are the values of a run as the flags give them.
type runValues struct {
	variables   string // file
	set, params []string
}

// readRun reads the values of the run as `berth deployment run` reads them: by the schemas that it will meet.
func readRun(
	ctx context.Context, app *cli.App, client *cli.Client, pool string, body *api.TemplatePreviewRequest, in runValues,
) error {
	var variables, parameters json.RawMessage
	var err error
	switch {
	case !cli.NeedsSchema(in.set):
	case body.Document != nil:
		variables = lookup.TemplateSchema(body.Document)
	default:
		if variables, err = lookup.PoolSchema(ctx, client, pool, body.Version); err != nil {
			return err
		}
	}
	if body.Deployment != nil && cli.NeedsSchema(in.params) {
		deployment, err := lookup.GetDeployment(ctx, client, *body.Deployment)
		if err != nil {
			return err
		}
		parameters = deployment.ParameterSchema
	}
	if body.JobVariables, err = readValues(app, in.variables, "job-variable", in.set, variables); err != nil {
		return err
	}
	body.Parameters, err = readValues(app, "", "param", in.params, parameters)
	return err
}

// readValues are the values of a file, and over them those of flags; nothing where no items found.
func readValues(
	app *cli.App, file, flag string, assignments []string, schema json.RawMessage,
) (json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if file != "" {
		document, err := app.ReadDocument(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(document, &values); err != nil {
			return nil, cli.Usagef("%s: must be an object", file)
		}
	}
	set, err := cli.Assignments(flag, assignments, schema)
	if err != nil {
		return nil, err
	}
	for name, value := range set {
		values[name] = value
	}
	if len(values) == 0 {
		return nil, nil
	}
	return json.Marshal(values)
}
