package run

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func cancelRun(ctx context.Context, client *cli.Client, id uuid.UUID) (api.Run, error) {
	return cli.Value(client.CancelRunWithResponse(ctx, id))
}

func cancelAction() bulkAction {
	return bulkAction{
		verb: "cancel", short: "Cancel one or more runs", done: "cancel of run %s (%s) requested; state: %s", past: "cancel requested",
		long: "Cancel the given runs, or all active runs that match the filter.",
		one:  cancelRun, want: api.CANCELLED, defaultStates: []api.StateType{api.SCHEDULED, api.PENDING, api.RUNNING},
		many: func(ctx context.Context, client *cli.Client, s api.RunSelection) (api.RunBulkResult, error) {
			return cli.Value(client.CancelRunsWithResponse(ctx, s))
		},
	}
}
