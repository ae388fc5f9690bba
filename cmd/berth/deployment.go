package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func deploymentCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "deployment", Short: "Deployments: named, runnable things"}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		deploymentLsCommand(
			app,
		),
		deploymentGetCommand(app),
		deploymentSchemaCommand(app),
		deploymentRunCommand(app),
		deploymentPauseCommand(app, "pause", "Stop starting runs of a deployment; what runs goes on", true),
		deploymentPauseCommand(app, "resume", "Start runs of a deployment again", false),
		deploymentDeleteCommand(app),
	)
}

func listDeployments(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	pool *string,
) ([]api.Deployment, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Deployment, *string, error) {
		r, err := client.ListDeploymentsWithResponse(
			ctx,
			&api.ListDeploymentsParams{Limit: &limit, Cursor: cursor, Pool: pool},
		)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func deploymentLsCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List deployments", Args: cobra.NoArgs}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "only those of this pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		deployments, err := listDeployments(cmd.Context(), client, given(pool))
		if err != nil {
			return err
		}
		return cli.List(app, *format, deployments, []cli.Column[api.Deployment]{
			{Title: "name", Cell: func(d api.Deployment) string { return d.Name }},
			{Title: "pool", Cell: func(d api.Deployment) string { return d.Pool }},
			{Title: "queue", Cell: func(d api.Deployment) string { return d.Queue }},
			{Title: "status", Cell: func(d api.Deployment) string { return pausedText(d.Paused) }},
			{Title: "version", Cell: func(d api.Deployment) string { return d.Version }},
			{Title: "updated", Cell: func(d api.Deployment) string { return app.Ago(d.UpdatedAt) }},
		})
	}
	return cmd
}

// given is nil for an empty string: a filter that is not asked for.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func getDeployment(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	name string,
) (api.Deployment, error) {
	r, err := client.GetDeploymentWithResponse(ctx, name)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

func deploymentGetCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a deployment",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: deploymentNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		d, err := getDeployment(cmd.Context(), client, args[0])
		if err != nil {
			return err
		}
		return cli.One(app, *format, d, []cli.Field{
			{
				Name:  "Name",
				Value: d.Name,
			}, {Name: "Pool", Value: d.Pool}, {Name: "Queue", Value: d.Queue}, {Name: "Status", Value: pausedText(d.Paused)},
			{
				Name:  "Description",
				Value: d.Description,
			}, {Name: "Version", Value: d.Version}, {Name: "Project", Value: cli.Text(d.Project)}, {Name: "Tags", Value: joined(d.Tags)},
			{
				Name:  "Limit",
				Value: limit(d.ConcurrencyLimit),
			}, {Name: "Timeout", Value: seconds(d.TimeoutSeconds)},
			{
				Name:  "Start deadline",
				Value: seconds(d.StartDeadlineSeconds),
			}, {Name: "Retries", Value: retries(d.Retries)},
			{Name: "Schedules", Value: schedulesText(app, d.Schedules)},
			{
				Name:  "ID",
				Value: d.ID.String(),
			}, {Name: "Created", Value: app.Ago(d.CreatedAt)}, {Name: "Updated", Value: app.Ago(d.UpdatedAt)},
			{
				Name:  "Parameters",
				Value: cli.Readable(d.Parameters),
			}, {Name: "Parameter schema", Value: cli.Readable(d.ParameterSchema)},
			{
				Name:  "Job variables",
				Value: cli.Readable(d.JobVariables),
			}, {Name: "Frozen", Value: frozen(d.Frozen)},
		})
	}
	return cmd
}

func deploymentPauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: deploymentNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.UpdateDeploymentWithResponse(
			cmd.Context(),
			args[0],
			nil,
			api.DeploymentUpdate{Paused: &paused},
		)
		d, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, d, "deployment %q %sd", d.Name, verb)
	}
	return cmd
}

func deploymentDeleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a deployment with its finished runs",
		Args: cobra.ExactArgs(1), ValidArgsFunction: deploymentNames(app),
	}
	cmd.Flags().
		BoolVar(&force, "force", false, "even with runs that are not finished; they are cancelled first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteDeploymentWithResponse(
			cmd.Context(),
			args[0],
			&api.DeleteDeploymentParams{Force: &force},
		)
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("deployment %q deleted\n", args[0])
	}
	return cmd
}

func deploymentSchemaCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema NAME", Short: "Show what a run of a deployment may be given, as JSON Schema", Args: cobra.ExactArgs(1), ValidArgsFunction: deploymentNames(app),
		Long: "Show what a run of a deployment may be given, as JSON Schema. Values of the deployment are the defaults; what is frozen is marked readOnly.",
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.GetRunSchemaWithResponse(cmd.Context(), args[0])
		schema, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.One(app, *format, schema, []cli.Field{
			{
				Name:  "Parameters",
				Value: cli.Readable(schema.Parameters),
			}, {Name: "Job variables", Value: cli.Readable(schema.JobVariables)},
		})
	}
	return cmd
}
