package apikey

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func createCommand(app *cli.App) *cobra.Command {
	var role string
	var pools []string
	var expires time.Duration
	cmd := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Create an API key and print it to standard output; it is shown only once",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&role, "role", "", "role of the key: admin, editor, operator, viewer or worker")
	cmd.Flags().
		StringSliceVar(&pools, "pool", nil, "restrict the key to this pool (repeatable; default: all pools)")
	cmd.Flags().
		DurationVar(&expires, "expires-in", 0, "lifetime of the key, such as 720h (default: does not expire)")
	cli.Required(cmd, "role")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		body := api.APIKeyCreate{Name: args[0], Role: api.Role(role)}
		if !body.Role.Valid() {
			return cli.Usagef("--role %q: must be admin, editor, operator, viewer or worker", role)
		}
		if len(pools) > 0 {
			body.Pools = &pools
		}
		if cmd.Flags().Changed("expires-in") {
			if expires <= 0 {
				return cli.Usagef("--expires-in %s: must lie ahead", expires)
			}
			at := app.Now().Add(expires).UTC()
			body.ExpiresAt = &at
		}
		created, err := cli.Created(client.CreateAPIKeyWithResponse(ctx, body))
		if err != nil {
			return err
		}
		if *format == cli.Table {
			app.Notef("API key %q (%s); it is shown only now:", created.APIKey.Name, created.APIKey.Role)
		}
		return cli.PrintConfirmation(app, *format, created, "%s", created.Secret)
	})
	return cmd
}
