// Package schedule holds `berth schedule`.
package schedule

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "schedule", Short: "Manage the schedules of deployments"}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		lsCommand(app),
		pauseCommand(app, "pause", "Pause a schedule: create no new runs", false),
		pauseCommand(app, "resume", "Resume a schedule; its misfire policy decides on missed runs",
			true),
		slotsCommand(app),
		previewCommand(app),
	)
}

// Text says the schedules of a deployment, one a line.
func Text(app *cli.App, schedules *[]api.Schedule) string {
	if schedules == nil {
		return ""
	}
	var lines string
	for _, s := range *schedules {
		line := fmt.Sprintf("%s: %s", s.Name, s.Description)
		switch {
		case !s.Active:
			line += ", paused"
		case len(s.Next) > 0:
			line += ", next " + app.Ago(s.Next[0])
		default:
			line += ", never again"
		}
		if s.LastError != nil {
			line += "; " + *s.LastError
		}
		lines += line + "\n"
	}
	return lines
}
