// Package deployment holds `berth deployment`.
package deployment

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "deployment", Short: "Deployments: named, runnable things"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), getCommand(app), schemaCommand(app), runCommand(app),
		pauseCommand(app, "pause", "Stop starting runs of a deployment; what runs goes on", true),
		pauseCommand(app, "resume", "Start runs of a deployment again", false), deleteCommand(app))
}
