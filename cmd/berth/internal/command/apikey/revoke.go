package apikey

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/spf13/cobra"
)

func revokeCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID|NAME", Short: "Revoke a key, from now on", Args: cobra.ExactArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.RevokeAPIKeyWithResponse(cmd.Context(), args[0])
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("API key %q revoked\n", args[0])
	}
	return cmd
}
