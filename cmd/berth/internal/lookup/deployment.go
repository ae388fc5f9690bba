package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func DeploymentNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		deployments, err := ListDeployments(ctx, client, nil)
		return cli.Mapped(deployments, func(d api.Deployment) string { return d.Name }), err
	})
}

func ListDeployments(
	ctx context.Context, client *apiclient.ClientWithResponses, pool *string,
) ([]api.Deployment, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Deployment, *string, error) {
		r, err := client.ListDeploymentsWithResponse(ctx,
			&api.ListDeploymentsParams{Limit: &limit, Cursor: cursor, Pool: pool})
		page, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func GetDeployment(
	ctx context.Context, client *apiclient.ClientWithResponses, name string,
) (api.Deployment, error) {
	r, err := client.GetDeploymentWithResponse(ctx, name)
	return cli.Value(cli.ResultOf(r, err).JSON200, r, err)
}
