// Package schedule holds `berth schedule`.
package schedule

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "schedule", Short: "Schedules: when deployments run by themselves"}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		lsCommand(app),
		pauseCommand(app, "pause", "Make no runs of a schedule for now", false),
		pauseCommand(app, "resume", "Make runs of a schedule again; what it missed is for its misfire policy",
			true),
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
