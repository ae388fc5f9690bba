package pool

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func updateCommand(app *cli.App) *cobra.Command {
	var description string
	var limit int32
	var noLimit, noTokens bool
	var audiences []string
	cmd := &cobra.Command{
		Use:               "update NAME",
		Short:             "Change the given settings",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().StringVar(&description, "description", "", "description of the pool")
	cmd.Flags().Int32Var(&limit, "concurrency-limit", 0, "maximum number of concurrent attempts; 0 for none")
	cmd.Flags().BoolVar(&noLimit, "no-concurrency-limit", false, "remove the limit")
	cmd.MarkFlagsMutuallyExclusive("concurrency-limit", "no-concurrency-limit")
	cmd.Flags().StringSliceVar(&audiences, "run-token-audience", nil,
		"audience for which jobs may get run tokens; replaces the earlier ones (repeatable)")
	cmd.Flags().BoolVar(&noTokens, "no-run-tokens", false, "let no job get run tokens")
	cmd.MarkFlagsMutuallyExclusive("run-token-audience", "no-run-tokens")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var body api.WorkPoolUpdate
		if noTokens {
			audiences = []string{}
		}
		if cmd.Flags().Changed("description") {
			body.Description = &description
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if noLimit {
			body.NoConcurrencyLimit = &noLimit
		}
		if noTokens || len(audiences) > 0 {
			body.RunTokenAudiences = &audiences
		}
		if body == (api.WorkPoolUpdate{}) {
			return cli.Usagef("nothing to change: set --description, --concurrency-limit, " +
				"--no-concurrency-limit, --run-token-audience or --no-run-tokens")
		}
		return updatePool(app, cmd, args[0], body, *format, "updated")
	}
	return cmd
}
