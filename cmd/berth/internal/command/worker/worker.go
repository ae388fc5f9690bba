// Package worker holds `berth worker`.
package worker

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Start and manage workers"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, startCommand(app), lsCommand(app), drainCommand(app),
		pauseCommand(app, "pause", "Pause a worker: claim no new runs; active runs continue", true),
		pauseCommand(app, "resume", "Resume a paused worker", false))
}
