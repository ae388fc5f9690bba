package deployment

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func pauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.DeploymentNames(app),
	}
	format := cli.OutputFlag(cmd)
	var reason string
	if paused {
		cli.PauseReasonVar(cmd, &reason)
	}
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		d, err := cli.Value(client.UpdateDeploymentWithResponse(ctx, args[0], nil,
			api.DeploymentUpdate{Paused: &paused, PauseReason: cli.StringOrNil(reason)}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, d, "deployment %q %sd", d.Name, verb)
	})
	return cmd
}
