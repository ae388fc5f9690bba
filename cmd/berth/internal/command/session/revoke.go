package session

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func revokeCommand(app *cli.App) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "revoke [ID]",
		Short: "Revoke a session, or all sessions of a person",
		Long: `Revoke a session, or with --user all sessions of a person. It counts at once, also for open streams.
A person whom the sign-in provider still lets in can sign in again: block the account there first.`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&user, "user", "",
		"revoke all sessions of this person, by email address or subject; needs the role admin in all pools")
	yes := cli.YesFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if (len(args) == 0) == (user == "") {
			return cli.Usagef("name either the ID of a session or a person with --user")
		}
		if user == "" {
			if err := cli.Check(client.RevokeSessionWithResponse(ctx, args[0])); err != nil {
				return err
			}
			return app.Printf("session %s revoked\n", args[0])
		}
		what := fmt.Sprintf("revoke all sessions of %s", user)
		if err := app.Destroy(ctx, cmd, nil, cli.Table, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		keys := validKeys(ctx, app, client, user) // before this session ends
		result, err := cli.Value(client.RevokeSessionsWithResponse(ctx, api.SessionsRevoke{User: &user}))
		if err != nil {
			return err
		}
		if keys > 0 {
			app.Notef("%s still owns %s; to revoke as well: berth api-key revoke --owner %s", user,
				cli.Plural(keys, "valid API key"), user)
		}
		return app.Printf("%d sessions of %s revoked\n", result.Revoked, user)
	})
	return cmd
}

// validKeys counts the keys of a person that go on working without a session; 0 if the caller may not list keys.
func validKeys(ctx context.Context, app *cli.App, client *cli.Client, user string) int {
	list, err := cli.Value(client.ListAPIKeysWithResponse(ctx, &api.ListAPIKeysParams{Owner: &user}))
	if err != nil {
		return 0
	}
	valid := 0
	for _, key := range list.Items {
		if key.RevokedAt == nil && (key.ExpiresAt == nil || app.Now().Before(*key.ExpiresAt)) {
			valid++
		}
	}
	return valid
}
