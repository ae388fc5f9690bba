package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func PoolNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		pools, err := ListPools(ctx, client)
		return cli.Mapped(pools, func(p api.WorkPool) string { return p.Name }), err
	})
}

func ListPools(ctx context.Context, client *apiclient.ClientWithResponses) ([]api.WorkPool, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.WorkPool, *string, error) {
		r, err := client.ListWorkPoolsWithResponse(ctx,
			&api.ListWorkPoolsParams{Limit: &limit, Cursor: cursor})
		page, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}
