package pool

import (
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
		ValidArgsFunction: lookup.PoolNames(app),
	}
	format := cli.OutputFlag(cmd)
	var reason string
	if paused {
		cli.PauseReasonVar(cmd, &reason)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return updatePool(app, cmd, poolChange{name: args[0], body: api.WorkPoolUpdate{Paused: &paused, PauseReason: cli.StringOrNil(reason)}}, *format, verb+"d")
	}
	return cmd
}
