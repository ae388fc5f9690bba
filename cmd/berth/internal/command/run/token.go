package run

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func tokenCommand(app *cli.App) *cobra.Command {
	var audience string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "token --audience AUDIENCE [ID]",
		Short: "Print a signed token that says which run this is, from inside its job",
		Long: `Print a signed token that says which run this is, from inside its job. Clouds and vaults that trust the
server accept it in place of a static key (see docs/run-identity.md).

ID defaults to BERTH_RUN_ID, which is set in every job. Only the job key of the run's active attempt
can get a token: BERTH_API_URL and BERTH_API_KEY are set if the worker gives jobs access to the API
(see berth worker start --create-job-api-key-secret). The work pool must grant the audience (see berth
pool update --run-token-audience).`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&audience, "audience", "", "recipient of the token, such as sts.amazonaws.com")
	cli.PeriodVar(cmd.Flags(), &lifetime, "lifetime", 10*time.Minute, "time until the token expires, up to 1h")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if audience == "" {
			return cli.Usagef("run token needs --audience, the recipient of the token")
		}
		if lifetime < time.Minute || lifetime > time.Hour {
			return cli.Usagef("--lifetime %s: must be between 1m and 1h", lifetime)
		}
		id, err := lookup.RunID(strings.Join(append(args, app.Env["BERTH_RUN_ID"])[:1], ""))
		if err != nil {
			return err
		}
		seconds := int32(lifetime / time.Second)
		token, err := cli.Created(client.CreateRunTokenWithResponse(ctx, id,
			api.RunTokenCreate{Audience: audience, LifetimeSeconds: &seconds}))
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, token)
		}
		return app.Printf("%s\n", token.Token)
	})
	return cmd
}
