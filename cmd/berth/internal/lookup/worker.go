package lookup

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func ListWorkers(ctx context.Context, client *cli.Client, pool *string) ([]api.Worker, error) {
	list, err := cli.Value(client.ListWorkersWithResponse(ctx, &api.ListWorkersParams{Pool: pool}))
	if list.Items == nil {
		list.Items = []api.Worker{}
	}
	return list.Items, err
}

// WorkerNames completes workers of the pool that --pool names.
func WorkerNames(app *cli.App, pool *string) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		workers, err := ListWorkers(ctx, client, cli.StringOrNil(*pool))
		return cli.Map(workers, func(w api.Worker) string { return w.Name }), err
	})
}
