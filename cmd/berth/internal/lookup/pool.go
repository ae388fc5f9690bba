package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func PoolNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		pools, err := ListPools(ctx, client)
		return cli.Map(pools, func(p api.WorkPool) string { return p.Name }), err
	})
}

func ListPools(ctx context.Context, client *cli.Client) ([]api.WorkPool, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.WorkPool, *string, error) {
		page, err := cli.Value(client.ListWorkPoolsWithResponse(ctx,
			&api.ListWorkPoolsParams{Limit: &limit, Cursor: cursor}))
		return page.Items, page.NextCursor, err
	})
}
