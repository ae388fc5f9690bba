package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/schedule"
)

func scheduleCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "schedule", Short: "Schedules: when deployments run by themselves"}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		scheduleLsCommand(app),
		schedulePauseCommand(app, "pause", "Make no runs of a schedule for now", false),
		schedulePauseCommand(
			app,
			"resume",
			"Make runs of a schedule again; what it missed is for its misfire policy",
			true,
		),
		schedulePreviewCommand(app),
	)
}

func listSchedules(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	pool *string,
) ([]api.Schedule, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Schedule, *string, error) {
		r, err := client.ListSchedulesWithResponse(
			ctx,
			&api.ListSchedulesParams{Limit: &limit, Cursor: cursor, Pool: pool},
		)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func scheduleLsCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use: "ls [DEPLOYMENT]", Aliases: []string{"list"}, Short: "List schedules with their next slots",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: deploymentNames(app),
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "only those of this pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		var schedules []api.Schedule
		if len(args) == 1 {
			r, failed := client.ListDeploymentSchedulesWithResponse(cmd.Context(), args[0])
			var list api.ScheduleList
			list, err = cli.Value(resultOf(r, failed).JSON200, r, failed)
			schedules = list.Items
		} else {
			schedules, err = listSchedules(cmd.Context(), client, given(pool))
		}
		if err != nil {
			return err
		}
		return cli.List(app, *format, schedules, []cli.Column[api.Schedule]{
			{Title: "deployment", Cell: func(s api.Schedule) string { return s.Deployment }},
			{Title: "name", Cell: func(s api.Schedule) string { return s.Name }},
			{Title: "when", Cell: func(s api.Schedule) string { return s.Description }},
			{Title: "status", Cell: func(s api.Schedule) string { return pausedText(!s.Active) }},
			{Title: "next", Cell: func(s api.Schedule) string { return nextSlot(app, s) }},
			{Title: "last", Cell: func(s api.Schedule) string { return app.AgoOrDash(s.LastSlot) }},
			{Title: "problem", Cell: func(s api.Schedule) string { return text(s.LastError) }},
		})
	}
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
	return app.Ago(s.Next[0])
}

// schedulesText says the schedules of a deployment, one a line.
func schedulesText(app *cli.App, schedules *[]api.Schedule) string {
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

func schedulePauseCommand(app *cli.App, verb, short string, active bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " DEPLOYMENT [NAME]", Short: short, Args: cobra.RangeArgs(1, 2), ValidArgsFunction: deploymentThenSchedule(app),
		Long: short + ".\n\nWithout NAME it is the deployment's only schedule, or the one called default.",
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		name, err := scheduleName(cmd.Context(), client, args)
		if err != nil {
			return err
		}
		r, err := client.UpdateScheduleWithResponse(
			cmd.Context(),
			args[0],
			name,
			api.ScheduleUpdate{Active: active},
		)
		s, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, s, "schedule %q of deployment %q %sd", s.Name, s.Deployment, verb)
	}
	return cmd
}

// scheduleName is the one that is meant.
func scheduleName(ctx context.Context, client *apiclient.ClientWithResponses, args []string) (string, error) {
	if len(args) == 2 {
		return args[1], nil
	}
	const unnamed = "default"
	names, err := scheduleNames(ctx, client, args[0])
	if err != nil || len(names) == 0 || slices.Contains(names, unnamed) {
		return unnamed, err
	}
	if len(names) > 1 {
		return "", cli.Usagef("deployment %q has several schedules, say which: %s", args[0], joined(names))
	}
	return names[0], nil
}

func scheduleNames(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	deployment string,
) ([]string, error) {
	r, err := client.GetDeploymentWithResponse(ctx, deployment)
	d, err := cli.Value(resultOf(r, err).JSON200, r, err)
	if err != nil || d.Schedules == nil {
		return nil, err
	}
	return mapped(*d.Schedules, func(s api.Schedule) string { return s.Name }), nil
}

// deploymentThenSchedule completes the name of a deployment, and then of one of its schedules.
func deploymentThenSchedule(app *cli.App) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return deploymentNames(app)(cmd, args, typed)
		}
		return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
			return scheduleNames(ctx, client, args[0])
		})(cmd, nil, typed)
	}
}

// previewInput is a schedule as it is tried on the command line.
type previewInput struct {
	cron, rrule, timezone, after, anchor string
	every                                time.Duration
	count                                int
}

func schedulePreviewCommand(app *cli.App) *cobra.Command {
	var in previewInput
	cmd := &cobra.Command{
		Use: "preview", Short: "Show when a schedule would run; needs no server", Args: cobra.NoArgs,
		Example: `  berth schedule preview --cron "30 2 * * *" --timezone Europe/Berlin --count 10
  berth schedule preview --every 90m
  berth schedule preview --rrule "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0"`,
	}
	flags := cmd.Flags()
	flags.StringVar(&in.cron, "cron", "", "five fields, or @hourly, @daily, @weekly, @monthly, @yearly")
	flags.DurationVar(&in.every, "every", 0, "an interval such as 90m")
	flags.StringVar(&in.rrule, "rrule", "", "an RFC 5545 rule")
	flags.StringVar(&in.timezone, "timezone", "", "IANA name, as in Europe/Berlin (default: UTC)")
	flags.StringVar(
		&in.anchor,
		"anchor",
		"",
		"a slot that intervals are counted from, as 2026-01-01T04:00:00Z",
	)
	flags.StringVar(&in.after, "after", "", "slots after this time, as 2026-01-01T04:00:00Z (default: now)")
	flags.IntVar(&in.count, "count", 5, "how many slots")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		preview, zone, err := in.preview(app.Now())
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, preview)
		}
		app.Notef("%s", preview.Description)
		if len(preview.Next) == 0 {
			app.Notef("there is no slot any more")
		}
		for _, slot := range preview.Next {
			if err := app.Printf("%s  %s\n", slot.In(zone).Format("Mon 2006-01-02 15:04:05 -07:00"), app.Ago(slot)); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (in previewInput) preview(now time.Time) (*api.SchedulePreview, *time.Location, error) {
	const most = 1000
	if in.count < 1 || in.count > most {
		return nil, nil, cli.Usagef("--count %d: must be from 1 to %d", in.count, most)
	}
	after, err := timeFlag("after", in.after, now)
	if err != nil {
		return nil, nil, err
	}
	anchor, err := timeFlag("anchor", in.anchor, time.Time{})
	if err != nil {
		return nil, nil, err
	}
	spec := schedule.Spec{
		Cron:     in.cron,
		Every:    in.every,
		RRule:    in.rrule,
		Timezone: in.timezone,
		Anchor:   anchor,
	}
	parsed, err := schedule.Parse(spec)
	var bad *schedule.Error
	switch {
	case errors.As(err, &bad):
		return nil, nil, cli.Usagef("--%v", bad)
	case err != nil:
		return nil, nil, err
	}
	zone, err := time.LoadLocation(in.timezone)
	if err != nil {
		return nil, nil, cli.Usagef("--timezone: %v", err)
	}
	until := time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	slots := parsed.Between(after, until, in.count)
	if slots == nil {
		slots = []time.Time{}
	}
	return &api.SchedulePreview{Description: schedule.Describe(spec), Next: slots}, zone, nil
}

func timeFlag(name, text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, cli.Usagef("--%s %q: must be a time like 2026-01-01T04:00:00Z", name, text)
	}
	return t, nil
}
