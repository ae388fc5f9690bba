package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func ListSchedules(
	ctx context.Context, client *apiclient.ClientWithResponses, pool *string,
) ([]api.Schedule, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Schedule, *string, error) {
		r, err := client.ListSchedulesWithResponse(ctx,
			&api.ListSchedulesParams{Limit: &limit, Cursor: cursor, Pool: pool})
		page, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func ScheduleNames(
	ctx context.Context, client *apiclient.ClientWithResponses, deployment string,
) ([]string, error) {
	r, err := client.GetDeploymentWithResponse(ctx, deployment)
	d, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
	if err != nil || d.Schedules == nil {
		return nil, err
	}
	return cli.Mapped(*d.Schedules, func(s api.Schedule) string { return s.Name }), nil
}
