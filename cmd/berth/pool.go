package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func poolCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Work pools: kinds of infrastructure, each with its base job template",
	}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		poolCreateCommand(
			app,
		),
		poolLsCommand(app),
		poolGetCommand(app),
		poolUpdateCommand(app),
		poolDeleteCommand(app),
		poolPauseCommand(app, "pause", "Stop claiming runs of a pool; what runs goes on", true),
		poolPauseCommand(app, "resume", "Claim runs of a pool again", false),
		poolTemplateCommand(app),
	)
}

func listPools(ctx context.Context, client *apiclient.ClientWithResponses) ([]api.WorkPool, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.WorkPool, *string, error) {
		r, err := client.ListWorkPoolsWithResponse(
			ctx,
			&api.ListWorkPoolsParams{Limit: &limit, Cursor: cursor},
		)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

// resultOf gives an empty answer for the one that is missing when there is an error, so that its fields can
// be named.
func resultOf[T any](r *T, err error) *T {
	if err != nil || r == nil {
		return new(T)
	}
	return r
}

func poolCreateCommand(app *cli.App) *cobra.Command {
	var kind, description, template string
	var limit int32
	var paused bool
	cmd := &cobra.Command{
		Use:   "create NAME --type kubernetes|process",
		Short: "Create a work pool; without a template it gets the default one of its type",
		Args:  cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&kind, "type", "kubernetes", "kubernetes or process")
	flags.StringVar(&description, "description", "", "what it is for")
	flags.Int32Var(
		&limit,
		"concurrency-limit",
		0,
		"how many attempts at once; 0 is none at all (default: no limit)",
	)
	flags.BoolVar(&paused, "paused", false, "create it paused")
	flags.StringVarP(&template, "template", "f", "", "file with the base job template, - for standard input")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := api.WorkPoolCreate{Name: args[0], Type: api.PoolType(kind), Paused: &paused}
		if !body.Type.Valid() {
			return cli.Usagef("--type %q: must be kubernetes or process", kind)
		}
		if cmd.Flags().Changed("description") {
			body.Description = &description
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if template != "" {
			document, err := app.ReadDocument(template)
			if err != nil {
				return err
			}
			body.BaseJobTemplate = document
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.CreateWorkPoolWithResponse(cmd.Context(), body)
		pool, err := cli.Value(resultOf(r, err).JSON201, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, pool, "pool %q created", pool.Name)
	}
	return cmd
}

// printDone says what was done, or prints the document for programs.
func printDone(app *cli.App, format cli.Format, document any, text string, args ...any) error {
	if format == cli.Table {
		return app.Printf(text+"\n", args...)
	}
	return app.Document(format, document)
}

func poolLsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List work pools", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		pools, err := listPools(cmd.Context(), client)
		if err != nil {
			return err
		}
		return cli.List(app, *format, pools, []cli.Column[api.WorkPool]{
			{Title: "name", Cell: func(p api.WorkPool) string { return p.Name }},
			{Title: "type", Cell: func(p api.WorkPool) string { return string(p.Type) }},
			{Title: "status", Cell: func(p api.WorkPool) string { return pausedText(p.Paused) }},
			{
				Title: "slots",
				Cell:  func(p api.WorkPool) string { return slots(p.SlotsUsed, p.ConcurrencyLimit) },
			},
			{
				Title: "template",
				Cell:  func(p api.WorkPool) string { return fmt.Sprintf("v%d", p.TemplateVersion) },
			},
			{Title: "created", Cell: func(p api.WorkPool) string { return app.Ago(p.CreatedAt) }},
		})
	}
	return cmd
}

func pausedText(paused bool) string {
	if paused {
		return "paused"
	}
	return "active"
}

// slots in use, and of how many.
func slots(used int32, limit *int32) string {
	if limit == nil {
		return strconv.Itoa(int(used))
	}
	return fmt.Sprintf("%d/%d", used, *limit)
}

func poolGetCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a work pool",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: poolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.GetWorkPoolWithResponse(cmd.Context(), args[0])
		pool, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.One(app, *format, pool, []cli.Field{
			{
				Name:  "Name",
				Value: pool.Name,
			}, {Name: "Type", Value: string(pool.Type)}, {Name: "Status", Value: pausedText(pool.Paused)},
			{
				Name:  "Description",
				Value: pool.Description,
			}, {Name: "Project", Value: cli.Text(pool.Project)}, {Name: "Slots", Value: slots(pool.SlotsUsed, pool.ConcurrencyLimit)},
			{
				Name: "Template",
				Value: fmt.Sprintf(
					"version %d (berth pool template get %s)",
					pool.TemplateVersion,
					pool.Name,
				),
			},
			{
				Name:  "ID",
				Value: pool.ID.String(),
			}, {Name: "Created", Value: app.Ago(pool.CreatedAt)}, {Name: "Updated", Value: app.Ago(pool.UpdatedAt)},
		})
	}
	return cmd
}

func poolUpdateCommand(app *cli.App) *cobra.Command {
	var description string
	var limit int32
	var noLimit bool
	cmd := &cobra.Command{
		Use:               "update NAME",
		Short:             "Change what is given, leave the rest",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().Int32Var(&limit, "concurrency-limit", 0, "how many attempts at once; 0 is none at all")
	cmd.Flags().BoolVar(&noLimit, "no-concurrency-limit", false, "take the limit away")
	cmd.MarkFlagsMutuallyExclusive("concurrency-limit", "no-concurrency-limit")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var body api.WorkPoolUpdate
		if cmd.Flags().Changed("description") {
			body.Description = &description
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if noLimit {
			body.NoConcurrencyLimit = &noLimit
		}
		if body == (api.WorkPoolUpdate{}) {
			return cli.Usagef(
				"nothing to change: give --description, --concurrency-limit or --no-concurrency-limit",
			)
		}
		return updatePool(app, cmd, args[0], body, *format, "updated")
	}
	return cmd
}

func poolPauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: poolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return updatePool(app, cmd, args[0], api.WorkPoolUpdate{Paused: &paused}, *format, verb+"d")
	}
	return cmd
}

func updatePool(
	app *cli.App,
	cmd *cobra.Command,
	name string,
	body api.WorkPoolUpdate,
	format cli.Format,
	done string,
) error {
	client, err := app.Client(cmd)
	if err != nil {
		return err
	}
	r, err := client.UpdateWorkPoolWithResponse(cmd.Context(), name, body)
	pool, err := cli.Value(resultOf(r, err).JSON200, r, err)
	if err != nil {
		return err
	}
	return printDone(app, format, pool, "pool %q %s", pool.Name, done)
}

func poolDeleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a pool with its queues, deployments and finished runs",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().
		BoolVar(&force, "force", false, "even with runs that are not finished; they are cancelled first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteWorkPoolWithResponse(
			cmd.Context(),
			args[0],
			&api.DeleteWorkPoolParams{Force: &force},
		)
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("pool %q deleted\n", args[0])
	}
	return cmd
}
