package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

func DeploymentNames(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		deployments, err := ListDeployments(ctx, client, api.ListDeploymentsParams{})
		return cli.Map(deployments, func(d api.Deployment) string { return d.Name }), err
	})
}

func ListDeployments(
	ctx context.Context, client *cli.Client, filter api.ListDeploymentsParams,
) ([]api.Deployment, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Deployment, *string, error) {
		params := filter
		params.Limit, params.Cursor = &limit, cursor
		page, err := cli.Value(client.ListDeploymentsWithResponse(ctx, &params))
		return page.Items, page.NextCursor, err
	})
}

// GetDeployment gets a deployment. Where there is none, the error names the one with the most similar name.
func GetDeployment(
	ctx context.Context, client *cli.Client, name string,
) (api.Deployment, error) {
	d, err := cli.Value(client.GetDeploymentWithResponse(ctx, name))
	return d, WithNearDeployment(ctx, client, name, err)
}

// WithNearDeployment adds the deployment with the most similar name to the error that there is none of this name.
func WithNearDeployment(ctx context.Context, client *cli.Client, name string, err error) error {
	var missing *cli.ProblemError
	if !errors.As(err, &missing) || missing.Status != http.StatusNotFound {
		return err
	}
	deployments, listErr := ListDeployments(ctx, client, api.ListDeploymentsParams{})
	if listErr != nil {
		return err // which says what is wrong without the suggestion
	}
	names := cli.Map(deployments, func(d api.Deployment) string { return d.Name })
	if near := templating.Nearest(name, names); near != "" {
		missing.Next = fmt.Sprintf("did you mean %q?", near)
	}
	return err
}
