package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func templateRollbackCommand(app *cli.App) *cobra.Command {
	var to int32
	var comment string
	var unbroken bool
	cmd := &cobra.Command{
		Use:   "rollback POOL --to N",
		Short: "Save a copy of an earlier version as the newest version",
		Long: `Save a copy of an earlier version as the newest version. Versions never change, so a rollback can be
rolled back, too. To see the effect first: berth pool template diff POOL --to N`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().Int32Var(&to, "to", 0, "version to restore")
	cmd.Flags().StringVarP(&comment, "message", "m", "", "what the rollback is for, shown in the list of versions")
	cmd.Flags().BoolVar(&unbroken, "require-unbroken", false, "fail if the change breaks a deployment")
	cli.Required(cmd, "to")
	reason := cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		params := &api.RollBackTemplateParams{BreakGlass: cli.StringOrNil(*reason)}
		if unbroken {
			params.RequireUnbroken = &unbroken
		}
		version, err := cli.Value(client.RollBackTemplateWithResponse(ctx, args[0], params,
			api.TemplateRollback{Version: to, Comment: comment}))
		if err != nil {
			return err
		}
		return printSaved(templatefile.File{App: app}, *format, version)
	})
	return cmd
}
