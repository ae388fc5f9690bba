// Package pool holds `berth pool` and `berth pool template`.
package pool

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/rule"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pool",
		Short: "Manage work pools",
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, createCommand(app), lsCommand(app), getCommand(app), updateCommand(app),
		deleteCommand(app), restoreCommand(app),
		pauseCommand(app, "pause", "Pause a pool: claim no new runs; active runs continue", true),
		pauseCommand(app, "resume", "Resume a paused pool", false), templateCommand(app), approvalsCommand(app), rule.PoolCommand(app))
}

// poolChange is a change of a pool; breakGlass is the reason to make it without an approval.
type poolChange struct {
	name       string
	body       api.WorkPoolUpdate
	breakGlass string
}

func updatePool(
	app *cli.App, cmd *cobra.Command, change poolChange, format cli.Format, done string,
) error {
	client, err := app.Client(cmd)
	if err != nil {
		return err
	}
	pool, err := cli.Value(client.UpdateWorkPoolWithResponse(cmd.Context(), change.name,
		&api.UpdateWorkPoolParams{BreakGlass: cli.StringOrNil(change.breakGlass)}, change.body))
	if err != nil {
		return err
	}
	return cli.PrintConfirmation(app, format, pool, "pool %q %s", pool.Name, done)
}
