// Package deployment holds `berth deployment`.
package deployment

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "deployment", Short: "Manage deployments"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), getCommand(app), statisticsCommand(app), schemaCommand(app), runCommand(app),
		pauseCommand(app, "pause", "Pause a deployment: start no new runs; active runs continue", true),
		pauseCommand(app, "resume", "Resume a paused deployment", false), deleteCommand(app), restoreCommand(app))
}
