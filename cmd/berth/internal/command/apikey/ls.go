package apikey

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List API keys without their secrets",
		Args:    cobra.NoArgs,
	}
	var owner, rule string
	var ended bool
	cmd.Flags().StringVar(&owner, "owner", "", "list the keys of a person or a service account, by name or ID")
	cmd.Flags().StringVar(&rule, "trust-rule", "", "list the keys that a trust rule has made")
	cmd.Flags().BoolVar(&ended, "ended", false, "also list keys of trust rules that are no longer valid")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		list, err := cli.Value(client.ListAPIKeysWithResponse(ctx, &api.ListAPIKeysParams{
			Owner: cli.StringOrNil(owner), TrustRule: cli.StringOrNil(rule), Ended: &ended,
		}))
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list.Items, []cli.Column[api.APIKey]{
			{Title: "id", Cell: func(k api.APIKey) string { return k.ID }},
			{Title: "name", Cell: func(k api.APIKey) string { return k.Name }},
			{Title: "roles", Cell: keyRoles},
			{Title: "owner", Cell: Owner},
			{Title: "status", Cell: func(k api.APIKey) string { return keyStatus(app, k) }},
			{Title: "last used", Cell: func(k api.APIKey) string { return app.AgoOrDash(k.LastUsedAt) }},
			{Title: "created", Cell: func(k api.APIKey) string { return app.Ago(k.CreatedAt) }},
		})
	})
	return cmd
}

// keyRoles are the roles of a key, and its lapsed roles, in pools whose name is another pool's now.
func keyRoles(k api.APIKey) string {
	text := cli.Bindings(k.Bindings)
	if k.LapsedBindings == nil {
		return text
	}
	return strings.TrimPrefix(text+", lapsed: "+cli.Bindings(*k.LapsedBindings), ", ")
}

// Owner says whose key it is.
func Owner(k api.APIKey) string {
	switch {
	case k.Token != nil:
		return "trust rule " + k.Token.Rule + ": " + k.Token.Subject
	case k.Kind == api.KeyPersonal:
		return cli.Text(k.Owner)
	case k.Owner != nil:
		return "service account of " + *k.Owner
	}
	return "service account"
}

func keyStatus(app *cli.App, k api.APIKey) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt == nil:
		return "valid"
	case k.ExpiresAt.Before(app.Now()):
		return "expired"
	}
	return "expires " + app.Ago(*k.ExpiresAt)
}
