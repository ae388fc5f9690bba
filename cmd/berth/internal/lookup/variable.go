package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func VariableNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		variables, err := ListVariables(ctx, client)
		return cli.Mapped(variables, func(v api.Variable) string { return v.Name }), err
	})
}

func ListVariables(ctx context.Context, client *apiclient.ClientWithResponses) ([]api.Variable, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Variable, *string, error) {
		r, err := client.ListVariablesWithResponse(ctx,
			&api.ListVariablesParams{Limit: &limit, Cursor: cursor})
		page, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}
