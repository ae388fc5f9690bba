package apikey

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func createCommand(app *cli.App) *cobra.Command {
	var roles, pools []string
	var expires cli.Period
	var serviceAccount bool
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE[:POOL]",
		Short: "Create an API key and print it to standard output; it is shown only once",
		Long: `Create an API key and print it to standard output; it is shown only once.

A key has one or more roles: ROLE counts in all pools, ROLE:POOL in one pool. In each pool, the highest
role of the key counts: viewer, operator, deployer, editor, admin in ascending order. The role worker is
for workers. You can only give a key roles in pools of which you are admin.

The key belongs to you: when you leave, an admin revokes your keys with berth api-key revoke --owner.
With --service-account it has no owner and stays. Jobs of GitHub, GitLab and Kubernetes need no stored
key: see berth trust.`,
		Example: `  berth api-key create ci --role deployer:team-a --role viewer
  berth api-key create on-call --role operator:team-a --role operator:team-b --expires-in 720h
  berth api-key create workers --role worker --pool team-a --service-account`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil,
		"ROLE or ROLE:POOL (repeatable): viewer, operator, deployer, editor, admin or worker")
	cmd.Flags().StringSliceVar(&pools, "pool", nil,
		"pool in which a single --role counts (repeatable; default: all pools)")
	cmd.Flags().Var(&expires, "expires-in",
		"lifetime of the key, such as 720h (default: does not expire)")
	cmd.Flags().BoolVar(&serviceAccount, "service-account", false,
		"make a key that has no owner and stays when people leave")
	cli.Required(cmd, "role")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		bindings, err := cli.ParseBindings(roles, pools)
		if err != nil {
			return err
		}
		body := api.APIKeyCreate{Name: args[0], Bindings: bindings}
		if serviceAccount {
			body.ServiceAccount = &serviceAccount
		}
		if cmd.Flags().Changed("expires-in") {
			if expires <= 0 {
				return cli.Usagef("--expires-in %s: must lie ahead", expires.Duration())
			}
			at := app.Now().Add(expires.Duration()).UTC()
			body.ExpiresAt = &at
		}
		created, err := cli.Created(client.CreateAPIKeyWithResponse(ctx, body))
		if err != nil {
			return err
		}
		if *format == cli.Table {
			app.Notef("API key %q (%s; owner: %s); it is shown only now:",
				created.APIKey.Name, cli.Bindings(created.APIKey.Bindings), Owner(created.APIKey))
		}
		return cli.PrintConfirmation(app, *format, created, "%s", created.Secret)
	})
	return cmd
}
