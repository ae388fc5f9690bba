package schedule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use: "ls [DEPLOYMENT]", Aliases: []string{"list"}, Short: "List schedules and their next run times",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "filter by pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		var schedules []api.Schedule
		var err error
		if len(args) == 1 {
			var list api.ScheduleList
			list, err = cli.Value(client.ListDeploymentSchedulesWithResponse(ctx, args[0]))
			schedules = list.Items
		} else {
			schedules, err = lookup.ListSchedules(ctx, client, cli.StringOrNil(pool))
		}
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, schedules, []cli.Column[api.Schedule]{
			{Title: "deployment", Cell: func(s api.Schedule) string { return s.Deployment }},
			{Title: "name", Cell: func(s api.Schedule) string { return s.Name }},
			{Title: "when", Cell: func(s api.Schedule) string { return s.Description }},
			{Title: "status", Cell: func(s api.Schedule) string { return status(app, s) }},
			{Title: "next", Cell: func(s api.Schedule) string { return nextSlot(app, s) }},
			{Title: "waiting", Cell: func(s api.Schedule) string { return waiting(app, s) }},
			{Title: "last", Cell: func(s api.Schedule) string { return app.AgoOrDash(s.LastSlot) }},
			{Title: "problem", Cell: func(s api.Schedule) string { return text(s.LastError) }},
		})
	})
	return cmd
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func nextSlot(app *cli.App, s api.Schedule) string {
	if len(s.Next) == 0 {
		return "-"
	}
	next := app.Ago(s.Next[0])
	if s.DeploymentPaused != nil {
		return "passes " + next
	}
	return next
}

// status says what keeps a schedule from creating runs, and who did that.
func status(app *cli.App, s api.Schedule) string {
	what := cli.PausedText(!s.Active)
	if s.Active && s.Failing != nil {
		what = "failing"
	}
	if s.DeploymentPaused != nil {
		what = "deployment paused"
	}
	return what + app.PausedBy(s.Pause)
}

// waiting is how many slots wait for the end of a run.
func waiting(app *cli.App, s api.Schedule) string {
	if s.Waiting == nil || s.WaitingSince == nil {
		return "-"
	}
	return fmt.Sprintf("%d, oldest %s", *s.Waiting, app.Ago(*s.WaitingSince))
}
