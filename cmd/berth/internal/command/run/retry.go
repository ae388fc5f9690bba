package run

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func retryRun(ctx context.Context, client *cli.Client, id uuid.UUID) (api.Run, error) {
	return cli.Value(client.RetryRunWithResponse(ctx, id))
}

func retryAction() bulkAction {
	return bulkAction{
		verb: "retry", short: "Retry one or more runs that have ended", done: "run %s (%s) retried; state: %s", past: "retried",
		long: "Start a new attempt of the given runs, or of all failed and crashed runs that match the filter. Runs\nthat were cancelled are left out and named, unless --include-cancelled is set.\n\nAn attempt is held to what the pool and the deployment freeze now. A run that set such a value itself\nis refused: create a new run instead.",
		one:  retryRun, want: api.COMPLETED, defaultStates: []api.StateType{api.FAILED, api.CRASHED}, leavesCancelled: true,
		many: func(ctx context.Context, client *cli.Client, s api.RunSelection) (api.RunBulkResult, error) {
			return cli.Value(client.RetryRunsWithResponse(ctx, s))
		},
	}
}
