package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func DeploymentNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		deployments, err := ListDeployments(ctx, client, nil)
		return cli.Map(deployments, func(d api.Deployment) string { return d.Name }), err
	})
}

func ListDeployments(
	ctx context.Context, client *cli.Client, pool *string,
) ([]api.Deployment, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Deployment, *string, error) {
		page, err := cli.Value(client.ListDeploymentsWithResponse(ctx,
			&api.ListDeploymentsParams{Limit: &limit, Cursor: cursor, Pool: pool}))
		return page.Items, page.NextCursor, err
	})
}

func GetDeployment(
	ctx context.Context, client *cli.Client, name string,
) (api.Deployment, error) {
	return cli.Value(client.GetDeploymentWithResponse(ctx, name))
}
