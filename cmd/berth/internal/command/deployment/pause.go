package deployment

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func pauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.DeploymentNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.UpdateDeploymentWithResponse(cmd.Context(), args[0], nil,
			api.DeploymentUpdate{Paused: &paused})
		d, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.PrintDone(app, *format, d, "deployment %q %sd", d.Name, verb)
	}
	return cmd
}
