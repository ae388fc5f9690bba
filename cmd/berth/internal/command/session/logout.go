package session

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func logoutCommand(app *cli.App) *cobra.Command {
	var everywhere bool
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Revoke the session of berth login and forget it",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false,
		"also revoke your other sessions, in browsers and on other machines")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		connection, err := app.Connection(cmd)
		if err != nil {
			return err
		}
		sessions, err := app.Sessions(cmd)
		if err != nil {
			return err
		}
		session := sessions.Find(connection.URL)
		if session.Token == "" {
			return cli.Usagef("not signed in to %s", connection.URL)
		}
		connection.Key = session.Token
		client, err := app.NewClient(connection)
		if err != nil {
			return err
		}
		var there string
		if everywhere {
			err = cli.Check(client.RevokeSessionsWithResponse(cmd.Context(), api.SessionsRevoke{}))
		} else {
			var out api.SignedOut
			out, err = cli.Value(client.SignOutWithResponse(cmd.Context()))
			there = cli.Text(out.ProviderURL)
		}
		var refused *cli.ProblemError
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			err = nil // it is over already
		}
		if err != nil {
			return err
		}
		if err := sessions.Put(connection.URL, cli.Session{}); err != nil {
			return err
		}
		if there != "" {
			app.Notef("a browser may still be signed in at the provider; to end that, open %s", there)
		}
		return app.Printf("signed out of %s\n", connection.URL)
	}
	return cmd
}
