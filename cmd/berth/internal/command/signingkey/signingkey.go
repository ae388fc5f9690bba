// Package signingkey holds `berth signing-key`.
package signingkey

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "signing-key", Short: "Manage the keys that sign run tokens"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), rotateCommand(app))
}

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the keys that sign run tokens",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		list, err := cli.Value(client.ListSigningKeysWithResponse(ctx))
		if err != nil {
			return err
		}
		return printKeys(app, *format, list.Items)
	})
	return cmd
}

func rotateCommand(app *cli.App) *cobra.Command {
	var revoke bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Sign run tokens with a new key from now on",
		Long: `Sign run tokens with a new key from now on.

The server does so by itself every 30 days. Use this command with --revoke if a key may be known to
others: every token that the earlier keys have signed then stops verifying.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&revoke, "revoke", false, "remove the earlier keys at once")
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		d := cli.Destruction{What: "remove the earlier signing keys at once; the token of every running job stops " +
			"verifying, until the job asks for a new one", Yes: *yes || !revoke}
		if err := app.Destroy(ctx, cmd, args, *format, d); err != nil {
			return err
		}
		list, err := cli.Value(client.RotateSigningKeysWithResponse(ctx, api.SigningKeyRotation{Revoke: &revoke}))
		if err != nil {
			return err
		}
		return printKeys(app, *format, list.Items)
	})
	return cmd
}

func printKeys(app *cli.App, format cli.Format, keys []api.SigningKey) error {
	return cli.PrintList(app, format, keys, []cli.Column[api.SigningKey]{
		{Title: "id", Cell: func(k api.SigningKey) string { return k.ID }},
		{Title: "algorithm", Cell: func(k api.SigningKey) string { return k.Algorithm }},
		{Title: "state", Cell: func(k api.SigningKey) string { return string(k.State) }},
		{Title: "signs from", Cell: func(k api.SigningKey) string { return app.Ago(k.SignsFrom) }},
		{Title: "removed", Cell: func(k api.SigningKey) string { return app.AgoOrDash(k.RemovedAt) }},
	})
}
