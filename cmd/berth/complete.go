package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// completer is what a shell is told about the names that may come next.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// names completes the first argument with what list finds on the server.
func names(app *cli.App, list func(context.Context, *apiclient.ClientWithResponses) ([]string, error)) completer {
	return namesFrom(
		app,
		func(ctx context.Context, client *apiclient.ClientWithResponses, _ string) ([]string, error) {
			return list(ctx, client)
		},
	)
}

// namesFrom is names for a list that is too long to be read as a whole: it is told what has been typed.
// Whatever goes wrong, there is no suggestion: a shell has no place for an error.
func namesFrom(
	app *cli.App,
	list func(ctx context.Context, client *apiclient.ClientWithResponses, typed string) ([]string, error),
) completer {
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

func poolNames(app *cli.App) completer {
	return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		pools, err := listPools(ctx, client)
		return mapped(pools, func(p api.WorkPool) string { return p.Name }), err
	})
}

func deploymentNames(app *cli.App) completer {
	return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		deployments, err := listDeployments(ctx, client, nil)
		return mapped(deployments, func(d api.Deployment) string { return d.Name }), err
	})
}

func variableNames(app *cli.App) completer {
	return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		variables, err := listVariables(ctx, client)
		return mapped(variables, func(v api.Variable) string { return v.Name }), err
	})
}

func mapped[T, U any](items []T, to func(T) U) []U {
	out := make([]U, 0, len(items))
	for _, item := range items {
		out = append(out, to(item))
	}
	return out
}
