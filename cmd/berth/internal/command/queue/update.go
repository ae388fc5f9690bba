package queue

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func updateCommand(app *cli.App, pool *string) *cobra.Command {
	var priority, limit int32
	var objective string
	var noLimit, noObjective bool
	cmd := &cobra.Command{
		Use: "update NAME --pool POOL", Short: "Change the given settings", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	cmd.Flags().Int32Var(&priority, "priority", 0, "priority; 1 is served first")
	cmd.Flags().Int32Var(&limit, "concurrency-limit", 0, "maximum number of concurrent attempts; 0 for none")
	cmd.Flags().BoolVar(&noLimit, "no-concurrency-limit", false, "remove the limit")
	cmd.MarkFlagsMutuallyExclusive("concurrency-limit", "no-concurrency-limit")
	cmd.Flags().StringVar(&objective, "objective", "", "longest that a due run is to wait, such as 30s, 5m, 2h or 1d, for alerts")
	cmd.Flags().BoolVar(&noObjective, "no-objective", false, "remove the objective")
	cmd.MarkFlagsMutuallyExclusive("objective", "no-objective")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var body api.WorkQueueUpdate
		if cmd.Flags().Changed("priority") {
			body.Priority = &priority
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if cmd.Flags().Changed("objective") {
			body.Objective = &objective
		}
		if noLimit {
			body.NoConcurrencyLimit = &noLimit
		}
		if noObjective {
			body.NoObjective = &noObjective
		}
		if body == (api.WorkQueueUpdate{}) {
			return cli.Usagef(
				"nothing to change: set --priority, --concurrency-limit, --no-concurrency-limit, --objective or --no-objective")
		}
		return updateQueue(app, cmd, queueChange{*pool, args[0], body, "updated"}, *format)
	}
	return cmd
}
