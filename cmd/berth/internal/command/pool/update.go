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
	var references referenceFlags
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
	references.add(cmd)
	references.addNone(cmd)
	reason := cli.BreakGlassFlag(cmd)
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
		if references.given() {
			list, err := newReferences(app, cmd, args[0], references)
			if err != nil {
				return err
			}
			body.References = list
		}
		if body == (api.WorkPoolUpdate{}) {
			return cli.Usagef("nothing to change: set --description, --concurrency-limit, " +
				"--no-concurrency-limit, --run-token-audience, --no-run-tokens, --secret, --config-map, " +
				"--service-account, --volume-claim, --job-namespace, --metadata-key or --no-references")
		}
		return updatePool(app, cmd, poolChange{args[0], body, *reason}, *format, "updated")
	}
	return cmd
}

// newReferences are the lists of the pool with those of the flags in their place.
func newReferences(
	app *cli.App, cmd *cobra.Command, name string, flags referenceFlags,
) (*api.AllowedReferences, error) {
	client, err := app.Client(cmd)
	if err != nil {
		return nil, err
	}
	pool, err := cli.Value(client.GetWorkPoolWithResponse(cmd.Context(), name))
	if err != nil {
		return nil, err
	}
	return flags.over(pool.References)
}
