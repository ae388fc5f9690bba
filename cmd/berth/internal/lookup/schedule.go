package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func ListSchedules(
	ctx context.Context, client *cli.Client, pool *string,
) ([]api.Schedule, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Schedule, *string, error) {
		page, err := cli.Value(client.ListSchedulesWithResponse(ctx,
			&api.ListSchedulesParams{Limit: &limit, Cursor: cursor, Pool: pool}))
		return page.Items, page.NextCursor, err
	})
}

func ListScheduleSlots(
	ctx context.Context, client *cli.Client, params api.ListScheduleSlotsParams,
) ([]api.ScheduleSlots, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.ScheduleSlots, *string, error) {
		params.Limit, params.Cursor = &limit, cursor
		page, err := cli.Value(client.ListScheduleSlotsWithResponse(ctx, &params))
		return page.Items, page.NextCursor, err
	})
}

func ScheduleNames(
	ctx context.Context, client *cli.Client, deployment string,
) ([]string, error) {
	d, err := GetDeployment(ctx, client, deployment)
	if err != nil || d.Schedules == nil {
		return nil, err
	}
	return cli.Map(*d.Schedules, func(s api.Schedule) string { return s.Name }), nil
}
