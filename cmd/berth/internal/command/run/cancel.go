package run

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/google/uuid"
)

func cancelRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error) {
	r, err := client.CancelRunWithResponse(ctx, id)
	return cli.Value(cli.ResultOf(r, err).JSON200, r, err)
}

func cancelAction() bulkAction {
	return bulkAction{
		verb: "cancel", short: "Cancel a run, or many", done: "cancel of run %s (%s) asked for, it is %s", past: "cancel asked for",
		long: "Cancel runs: those that are named, or all that have not ended and that a filter finds.",
		one:  cancelRun, wanted: api.CANCELLED, usual: []api.StateType{api.SCHEDULED, api.PENDING, api.RUNNING},
		many: func(ctx context.Context, client *apiclient.ClientWithResponses, s api.RunSelection) (api.RunBulkResult, error) {
			r, err := client.CancelRunsWithResponse(ctx, s)
			return cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		},
	}
}
