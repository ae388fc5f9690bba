package apikey

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func revokeCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID|NAME", Short: "Revoke an API key", Args: cobra.ExactArgs(1)}
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if err := cli.Check(client.RevokeAPIKeyWithResponse(ctx, args[0])); err != nil {
			return err
		}
		return app.Printf("API key %q revoked\n", args[0])
	})
	return cmd
}
