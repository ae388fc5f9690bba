package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func VariableNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		variables, err := ListVariables(ctx, client)
		return cli.Map(variables, func(v api.Variable) string { return v.Name }), err
	})
}

func ListVariables(ctx context.Context, client *cli.Client) ([]api.Variable, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Variable, *string, error) {
		page, err := cli.Value(client.ListVariablesWithResponse(ctx,
			&api.ListVariablesParams{Limit: &limit, Cursor: cursor}))
		return page.Items, page.NextCursor, err
	})
}
