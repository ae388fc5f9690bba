package schedule

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// slotLine is a slot of one schedule, or the slots of an hour.
type slotLine struct {
	at                     time.Time
	schedule, outcome, run string
	reason                 string
}

func slotsCommand(app *cli.App) *cobra.Command {
	var pool, deployment, tag, from, to string
	cmd := &cobra.Command{
		Use:   "slots",
		Short: "List past and planned slots: which run each made, or why none",
		Long: `List past and planned slots: which run each made, or why none. The slots of a schedule with more than
200 in the range are counted by the hour. The range has up to 32 days.`,
		Args: cobra.NoArgs,
		Example: `  berth schedule slots --deployment load --from 7d
  berth schedule slots --pool etl --from 2026-01-01T00:00:00Z --to 2026-01-08T00:00:00Z -o json`,
	}
	flags := cmd.Flags()
	flags.StringVarP(&pool, "pool", "p", "", "filter by pool")
	flags.StringVarP(&deployment, "deployment", "d", "", "filter by deployment")
	flags.StringVarP(&tag, "tag", "t", "", "filter by a tag of the deployment")
	flags.StringVar(&from, "from", "", "slots at or after a time, such as 2026-01-01T04:00:00Z, or an age, such as 24h or 7d (default: 24h)")
	flags.StringVar(&to, "to", "", "slots before a time (default: in 24 hours)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		params := api.ListScheduleSlotsParams{
			Pool: cli.StringOrNil(pool), Deployment: cli.StringOrNil(deployment), Tag: cli.StringOrNil(tag),
		}
		var err error
		if params.From, err = cli.PastTime("from", from, app.Now()); err != nil {
			return err
		}
		end, err := timeFlag("to", to, app.Now().Add(24*time.Hour))
		if err != nil {
			return err
		}
		params.To = &end
		if params.From == nil {
			begin := app.Now().Add(-24 * time.Hour)
			params.From = &begin
		}
		items, err := lookup.ListScheduleSlots(ctx, client, params)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, items)
		}
		return cli.PrintList(app, *format, slotLines(items), []cli.Column[slotLine]{
			{Title: "slot (UTC)", Cell: func(l slotLine) string { return l.at.UTC().Format("2006-01-02 15:04:05") }},
			{Title: "schedule", Cell: func(l slotLine) string { return l.schedule }},
			{Title: "outcome", Cell: func(l slotLine) string { return l.outcome }},
			{Title: "run", Cell: func(l slotLine) string { return l.run }},
			{Title: "reason", Cell: func(l slotLine) string { return l.reason }},
		})
	})
	return cmd
}

// slotLines are the slots of all schedules in the order of time.
func slotLines(items []api.ScheduleSlots) []slotLine {
	var lines []slotLine
	for _, s := range items {
		name := s.Deployment + "/" + s.Name
		for _, slot := range s.Slots {
			line := slotLine{at: slot.At, schedule: name, outcome: string(slot.Outcome), reason: text(slot.Reason)}
			if slot.Run != nil {
				line.outcome, line.run = string(slot.Run.State), slot.Run.Name
			}
			lines = append(lines, line)
		}
		for _, h := range s.Hours {
			outcome := fmt.Sprintf("%d runs of %d slots", h.Runs, h.Slots)
			if h.Planned > 0 {
				outcome += fmt.Sprintf(", %d planned", h.Planned)
			}
			if h.Failed > 0 {
				outcome += fmt.Sprintf(", %d failed", h.Failed)
			}
			lines = append(lines, slotLine{at: h.At, schedule: name, outcome: outcome})
		}
	}
	slices.SortStableFunc(lines, func(a, b slotLine) int { return a.at.Compare(b.at) })
	return lines
}
