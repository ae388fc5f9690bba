package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func apiKeyCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "api-key", Short: "API keys: who may do what"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, apiKeyCreateCommand(app), apiKeyLsCommand(app), apiKeyRevokeCommand(app))
}

func apiKeyCreateCommand(app *cli.App) *cobra.Command {
	var role string
	var pools []string
	var expires time.Duration
	cmd := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Make a key and print it, alone, on standard output; it is shown only now",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&role, "role", "", "admin, editor, operator, viewer or worker")
	cmd.Flags().StringSliceVar(&pools, "pool", nil, "only these pools (repeatable; default: all)")
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "how long it is valid, as in 720h (default: for ever)")
	required(cmd, "role")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
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
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.CreateAPIKeyWithResponse(cmd.Context(), body)
		created, err := cli.Value(resultOf(r, err).JSON201, r, err)
		if err != nil {
			return err
		}
		if *format == cli.Table {
			app.Notef("API key %q (%s); it is shown only now:", created.APIKey.Name, created.APIKey.Role)
		}
		return printDone(app, *format, created, "%s", created.Secret)
	}
	return cmd
}

func apiKeyLsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List API keys, never their secrets",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.ListAPIKeysWithResponse(cmd.Context())
		list, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.List(app, *format, list.Items, []cli.Column[api.APIKey]{
			{Title: "id", Cell: func(k api.APIKey) string { return k.ID }},
			{Title: "name", Cell: func(k api.APIKey) string { return k.Name }},
			{Title: "role", Cell: func(k api.APIKey) string { return string(k.Role) }},
			{Title: "pools", Cell: func(k api.APIKey) string { return keyPools(k) }},
			{Title: "status", Cell: func(k api.APIKey) string { return keyStatus(app, k) }},
			{Title: "last used", Cell: func(k api.APIKey) string { return app.AgoOrDash(k.LastUsedAt) }},
			{Title: "created", Cell: func(k api.APIKey) string { return app.Ago(k.CreatedAt) }},
		})
	}
	return cmd
}

func keyPools(k api.APIKey) string {
	if k.Pools == nil || len(*k.Pools) == 0 {
		return "all"
	}
	return strings.Join(*k.Pools, ",")
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

func apiKeyRevokeCommand(app *cli.App) *cobra.Command {
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
