package schedule

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/schedule"
)

// previewInput is a schedule as it is tried on the command line.
type previewInput struct {
	cron, rrule, timezone, after, anchor string
	every                                cli.Period
	count                                int
}

func previewCommand(app *cli.App) *cobra.Command {
	var in previewInput
	cmd := &cobra.Command{
		Use: "preview", Short: "Show the run times of a schedule, without a server", Args: cobra.NoArgs,
		Example: `  berth schedule preview --cron "30 2 * * *" --timezone Europe/Berlin --count 10
  berth schedule preview --every 90m
  berth schedule preview --rrule "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0"`,
	}
	flags := cmd.Flags()
	flags.StringVar(&in.cron, "cron", "",
		"cron expression with five fields, or @hourly, @daily, @weekly, @monthly, @yearly")
	flags.Var(&in.every, "every", "interval, such as 90m or 1d")
	flags.StringVar(&in.rrule, "rrule", "", "recurrence rule (RFC 5545)")
	flags.StringVar(&in.timezone, "timezone", "", "IANA time zone, such as Europe/Berlin (default: UTC)")
	flags.StringVar(&in.anchor, "anchor", "",
		"start time of the interval, such as 2026-01-01T04:00:00Z")
	flags.StringVar(&in.after, "after", "",
		"show run times after this time, such as 2026-01-01T04:00:00Z (default: now)")
	flags.IntVar(&in.count, "count", 5, "number of run times")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		preview, zone, err := in.preview(app.Now())
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, preview)
		}
		app.Notef("%s", preview.Description)
		if len(preview.Next) == 0 {
			app.Notef("the schedule has no more run times")
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
		Every:    in.every.Duration(),
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
		return t, cli.Usagef("--%s %q: must be a time, such as 2026-01-01T04:00:00Z", name, text)
	}
	return t, nil
}
