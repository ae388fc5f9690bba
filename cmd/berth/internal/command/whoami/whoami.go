// Package whoami holds `berth whoami`.
package whoami

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who you are to the server, and your role in each pool",
		Args:  cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		who, err := cli.Value(client.GetWhoAmIWithResponse(ctx))
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, who)
		}
		if err := app.Printf("%s\n", describe(app, &who)); err != nil {
			return err
		}
		return cli.PrintList(app, *format, who.Bindings, []cli.Column[api.Binding]{
			{Title: "role", Cell: func(b api.Binding) string { return string(b.Role) }},
			{Title: "pool", Cell: func(b api.Binding) string {
				if b.Pool == access.AllPools {
					return "all"
				}
				return b.Pool
			}},
		})
	})
	return cmd
}

// describe says in a line who the caller is and where it comes from.
func describe(app *cli.App, who *api.WhoAmI) string {
	if who.Kind == api.CallerAnonymous {
		return "anonymous: this server runs without API keys"
	}
	text := who.Name + " (" + string(who.Kind)
	if who.KeyID != nil {
		text += " " + *who.KeyID
	}
	switch {
	case who.Token != nil:
		text += ", by trust rule " + who.Token.Rule + " for a token of " + who.Token.Issuer
	case who.Owner != nil:
		text += ", owner " + *who.Owner
	case who.CreatedBy != nil:
		text += ", created by " + *who.CreatedBy
	}
	if who.ExpiresAt != nil {
		text += ", expires " + app.Ago(*who.ExpiresAt)
	}
	return text + ")"
}
