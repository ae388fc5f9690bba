package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func createCommand(app *cli.App) *cobra.Command {
	var kind, description, template string
	var limit int32
	var paused bool
	var audiences []string
	var references referenceFlags
	cmd := &cobra.Command{
		Use:   "create NAME --type kubernetes|process",
		Short: "Create a work pool, by default with the default template of its type",
		Args:  cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&kind, "type", "kubernetes", "pool type: kubernetes or process")
	flags.StringVar(&description, "description", "", "description of the pool")
	flags.Int32Var(&limit, "concurrency-limit", 0,
		"maximum number of concurrent attempts; 0 for none (default: no limit)")
	flags.BoolVar(&paused, "paused", false, "create the pool paused")
	flags.StringVarP(&template, "template", "f", "", "file with the base job template; - for standard input")
	flags.StringSliceVar(&audiences, "run-token-audience", nil,
		"audience for which jobs may get run tokens (repeatable)")
	references.add(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
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
		if len(audiences) > 0 {
			body.RunTokenAudiences = &audiences
		}
		if references.given() {
			list, err := references.over(api.AllowedReferences{})
			if err != nil {
				return err
			}
			body.References = list
		}
		given, err := templatefile.Read(app, template)
		if err != nil {
			return err
		}
		body.BaseJobTemplateSource = given.Text
		pool, err := cli.Created(client.CreateWorkPoolWithResponse(ctx, body))
		if err != nil {
			return given.PrintRejection(err)
		}
		if warnings := given.Warnings(); len(warnings) > 0 {
			given.PrintProblems(warnings)
		}
		return cli.PrintConfirmation(app, *format, pool, "pool %q created", pool.Name)
	})
	return cmd
}
