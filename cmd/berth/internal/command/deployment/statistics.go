package deployment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func statisticsCommand(app *cli.App) *cobra.Command {
	var ended cli.PastRange
	cmd := &cobra.Command{
		Use:   "statistics NAME",
		Short: "Show how many runs of a deployment failed, how long they took and waited",
		Long: `Show how many runs of a deployment failed, how long they took and waited. It reads the counts of
whole hours, by when runs ended. Durations are of runs that completed. A run waits from when it is due
until a worker claims it. Percentiles are within ten percent.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.DeploymentNames(app),
	}
	ended.Add(cmd.Flags(), "runs that ended")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		var params api.GetDeploymentStatisticsParams
		var err error
		if params.From, params.To, err = ended.Read(app.Now()); err != nil {
			return err
		}
		s, err := cli.Value(client.GetDeploymentStatisticsWithResponse(ctx, args[0], &params))
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, s, []cli.Field{
			{Name: "From", Value: s.From.UTC().Format(time.RFC3339)},
			{Name: "To", Value: s.To.UTC().Format(time.RFC3339)},
			{Name: "Runs", Value: byState(s.ByState)},
			{Name: "Failing", Value: percent(s.Failing)},
			{Name: "Duration", Value: percentiles(s.Duration)},
			{Name: "Wait", Value: percentiles(s.Wait)},
		})
	})
	return cmd
}

// byState lists counts of runs.
func byState(counts map[string]int64) string {
	if len(counts) == 0 {
		return "none"
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], strings.ToLower(state)))
	}
	return strings.Join(parts, ", ")
}

func percent(part *float64) string {
	if part == nil {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100**part)
}

func percentiles(p api.Percentiles) string {
	if p.P50Seconds == nil || p.P95Seconds == nil {
		return ""
	}
	return "median " + cli.ExactDuration(*p.P50Seconds) + ", 95th percentile " + cli.ExactDuration(*p.P95Seconds)
}
