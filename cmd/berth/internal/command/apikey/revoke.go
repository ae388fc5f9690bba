package apikey

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func revokeCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID|NAME", Short: "Revoke an API key", Args: cobra.ExactArgs(1)}
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		what := fmt.Sprintf("revoke API key %q for good; whatever uses it loses access at once", args[0])
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		if err := cli.Check(client.RevokeAPIKeyWithResponse(ctx, args[0])); err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, map[string]string{"revoked": args[0]}, "API key %q revoked", args[0])
	})
	return cmd
}
