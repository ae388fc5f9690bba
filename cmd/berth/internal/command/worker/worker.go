// Package worker holds `berth worker`.
package worker

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Workers: they claim runs of a pool and see them through"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, startCommand(app), lsCommand(app), drainCommand(app),
		pauseCommand(app, "pause", "Claim nothing new with a worker; what it has goes on", true),
		pauseCommand(app, "resume", "Claim runs with a worker again", false))
}
