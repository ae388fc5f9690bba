package run

import (
	"context"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/google/uuid"
)

func retryRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error) {
	r, err := client.RetryRunWithResponse(ctx, id)
	return cli.Value(cli.ResultOf(r, err).JSON200, r, err)
}

func retryAction() bulkAction {
	return bulkAction{
		verb: "retry", short: "Make a new attempt of a run that has ended, or of many", done: "run %s (%s) tried again, it is %s", past: "tried again",
		long: "Make new attempts of runs: those that are named, or all that have failed, crashed or were cancelled and that a filter finds.",
		one:  retryRun, wanted: api.COMPLETED, usual: []api.StateType{api.FAILED, api.CRASHED, api.CANCELLED},
		many: func(ctx context.Context, client *apiclient.ClientWithResponses, s api.RunSelection) (api.RunBulkResult, error) {
			r, err := client.RetryRunsWithResponse(ctx, s)
			return cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		},
	}
}
