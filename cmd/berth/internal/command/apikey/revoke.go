package apikey

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func revokeCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID|NAME | --owner OWNER",
		Short: "Revoke an API key, or all keys of an owner",
		Example: `  berth api-key revoke deploy-bot
  berth api-key revoke --owner bob@example.com`,
		Args: cobra.MaximumNArgs(1),
	}
	var owner string
	cmd.Flags().StringVar(&owner, "owner", "",
		"revoke all keys of this person or service account, by name or ID; needs the role admin in all pools")
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if (owner == "") == (len(args) == 0) {
			return cli.Usagef("name a key, or an owner with --owner")
		}
		if owner != "" {
			return revokeOwned(ctx, app, client, cmd, cli.Destruction{Yes: *yes}, *format, owner)
		}
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

// revokeOwned names the keys that go before it asks.
func revokeOwned(
	ctx context.Context, app *cli.App, client *cli.Client, cmd *cobra.Command, d cli.Destruction, format cli.Format,
	owner string,
) error {
	list, err := cli.Value(client.ListAPIKeysWithResponse(ctx, &api.ListAPIKeysParams{Owner: &owner}))
	if err != nil {
		return err
	}
	var names []string
	for _, key := range list.Items {
		if key.RevokedAt == nil {
			names = append(names, key.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%q owns no valid API key; berth api-key ls shows the owners", owner)
	}
	d.What = fmt.Sprintf("revoke %s of %s for good (%s); whatever uses them loses access at once",
		cli.Plural(len(names), "API key"), owner, cli.Some(names))
	if err := app.Destroy(ctx, cmd, nil, format, d); err != nil {
		return err
	}
	revoked, err := cli.Value(client.RevokeAPIKeysWithResponse(ctx, api.APIKeysRevoke{Owner: owner}))
	if err != nil {
		return err
	}
	return cli.PrintConfirmation(app, format, revoked, "%s of %s revoked",
		cli.Plural(int(revoked.Revoked), "API key"), owner)
}
