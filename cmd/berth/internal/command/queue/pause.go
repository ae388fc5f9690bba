package queue

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func pauseCommand(app *cli.App, pool *string, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME --pool POOL", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: queueNames(app, pool),
	}
	format := cli.OutputFlag(cmd)
	var reason string
	if paused {
		cli.PauseReasonVar(cmd, &reason)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return updateQueue(app, cmd,
			queueChange{*pool, args[0], api.WorkQueueUpdate{Paused: &paused, PauseReason: cli.StringOrNil(reason)}, verb + "d"}, *format)
	}
	return cmd
}
