// Package lookup finds things on the server by the names that people type: it lists them, completes them in
// the shell, and resolves references to runs.
package lookup

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// Completer is what a shell is told about the names that may come next.
type Completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// CompleteNames completes the first argument with what list finds on the server.
func CompleteNames(app *cli.App, list func(context.Context, *cli.Client) ([]string, error)) Completer {
	return completeTyped(
		app,
		func(ctx context.Context, client *cli.Client, _ string) ([]string, error) {
			return list(ctx, client)
		},
	)
}

// completeTyped is names for a list that is too long to be read as a whole: it is told what has been typed.
// Whatever goes wrong, there is no suggestion: a shell has no place for an error.
func completeTyped(
	app *cli.App,
	list func(ctx context.Context, client *cli.Client, typed string) ([]string, error),
) Completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || cli.BindEnv(cmd.Flags(), app.Env) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := app.Client(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		found, err := list(ctx, client, typed)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
