package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func histogramCommand(app *cli.App) *cobra.Command {
	var params api.GetRunHistogramParams
	var pool, queue, deployment, bucket string
	var ended cli.PastRange
	cmd := &cobra.Command{
		Use:   "histogram",
		Short: "Count ended runs by hour or day, state and cause",
		Long: `Count ended runs by hour or day, state and cause. The range is widened to whole hours or days, in UTC.

Counts include runs that retention has removed.`,
		Args: cobra.NoArgs,
		Example: `  berth run histogram --since 24h --pool etl
  berth run histogram --since 30d --deployment load --bucket 1d`,
	}
	flags := cmd.Flags()
	flags.StringVarP(&pool, "pool", "p", "", "filter by pool")
	flags.StringVar(&queue, "queue", "", "filter by the name of the queue")
	flags.StringVarP(&deployment, "deployment", "d", "", "filter by deployment")
	ended.Add(flags, "runs that ended")
	flags.StringVar(&bucket, "bucket", "", "1h or 1d (default: 1h up to three days)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		params.Pool, params.Queue, params.Deployment = cli.StringOrNil(pool), cli.StringOrNil(queue), cli.StringOrNil(deployment)
		if bucket != "" {
			size := api.HistogramBucketSize(bucket)
			if !size.Valid() {
				return cli.Usagef("--bucket %q: must be 1h or 1d", bucket)
			}
			params.Bucket = &size
		}
		var err error
		if params.From, params.To, err = ended.Read(app.Now()); err != nil {
			return err
		}
		h, err := cli.Value(client.GetRunHistogramWithResponse(ctx, &params))
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, h)
		}
		layout := "2006-01-02 15:04"
		if h.Bucket == api.N1D {
			layout = "2006-01-02"
		}
		count := func(state api.StateType) func(api.RunHistogramBucket) string {
			return func(b api.RunHistogramBucket) string { return countText(b, state) }
		}
		return cli.PrintList(app, *format, h.Buckets, []cli.Column[api.RunHistogramBucket]{
			{Title: "from (UTC)", Cell: func(b api.RunHistogramBucket) string { return b.From.UTC().Format(layout) }},
			{Title: "completed", Cell: count(api.COMPLETED)},
			{Title: "failed", Cell: count(api.FAILED)},
			{Title: "crashed", Cell: count(api.CRASHED)},
			{Title: "cancelled", Cell: count(api.CANCELLED)},
			{Title: "causes", Cell: causes},
		})
	})
	return cmd
}

// countText is how many runs of a bucket have a state.
func countText(b api.RunHistogramBucket, state api.StateType) string {
	var n int64
	for _, c := range b.Counts {
		if c.State == state {
			n += c.Count
		}
	}
	return fmt.Sprint(n)
}

// causes are why runs of a bucket did not complete, the most frequent first.
func causes(b api.RunHistogramBucket) string {
	sums := map[api.Category]int64{}
	for _, c := range b.Counts {
		if c.Category != nil {
			sums[*c.Category] += c.Count
		}
	}
	names := slices.Sorted(maps.Keys(sums))
	slices.SortStableFunc(names, func(a, b api.Category) int { return int(sums[b] - sums[a]) })
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %d", name, sums[name])
	}
	return strings.Join(parts, ", ")
}
