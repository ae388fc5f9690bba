package session

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// slowDown is what the client adds to its interval when the server asks for it (RFC 8628, 3.5).
const slowDown = 5 * time.Second

func loginCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in with an account of the company",
		Long: `Sign in with an account of the company. The command prints an address and a code: open the address in
any browser, also on another machine, and enter the code. The session is kept for this server in
sessions.yaml beside the configuration file, readable by you only. Later commands use it unless an API
key is set with --api-key-file or BERTH_API_KEY.`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		connection, err := app.Connection(cmd)
		if err != nil {
			return err
		}
		sessions, err := app.Sessions(cmd)
		if err != nil {
			return err
		}
		connection.Key, connection.Identity = "", nil // signing in needs no key
		client, err := app.NewClient(connection)
		if err != nil {
			return err
		}
		created, err := signIn(cmd.Context(), app, client)
		if err != nil {
			return err
		}
		s := created.Session
		err = sessions.Put(connection.URL, cli.Session{Token: created.Token, User: s.User, ExpiresAt: s.ExpiresAt})
		if err != nil {
			return err
		}
		if app.Env["BERTH_API_KEY"] != "" {
			app.Notef("BERTH_API_KEY is set and takes precedence over the session; unset it to use the session")
		}
		return app.Printf("signed in to %s as %s; the session ends %s\n", connection.URL, s.User, app.Ago(s.ExpiresAt))
	}
	return cmd
}

// signIn shows the code and waits until the person has entered it.
func signIn(ctx context.Context, app *cli.App, client *cli.Client) (api.SessionCreated, error) {
	begun, err := cli.Value(client.StartDeviceSignInWithResponse(ctx))
	if err != nil {
		return api.SessionCreated{}, err
	}
	app.Notef("open %s and enter the code %s", begun.VerificationURL, begun.UserCode)
	if complete := begun.VerificationURLComplete; complete != nil {
		app.Notef("or open %s", *complete)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(begun.ExpiresIn)*time.Second)
	defer cancel()
	name := clientName()
	interval := time.Duration(begun.Interval) * time.Second
	for {
		if err := pause(ctx, interval); err != nil {
			return api.SessionCreated{}, err
		}
		response, err := client.FinishDeviceSignInWithResponse(ctx,
			api.DeviceSignInPoll{DeviceCode: begun.DeviceCode, Client: &name})
		if err == nil && response.JSON202 != nil {
			if response.JSON202.SlowDown {
				interval += slowDown
			}
			continue
		}
		return cli.Created(response, err)
	}
}

func pause(ctx context.Context, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if context.Cause(ctx) == context.DeadlineExceeded {
			return fmt.Errorf("the code has expired; start again with berth login")
		}
		return ctx.Err()
	}
}

// clientName is how the session is listed.
func clientName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	name := ""
	if current, err := user.Current(); err == nil {
		name = current.Username + "@"
	}
	return "berth on " + name + cmp.Or(host, "unknown host")
}
