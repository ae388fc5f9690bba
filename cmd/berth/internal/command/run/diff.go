package run

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func compareRuns(ctx context.Context, client *cli.Client, run uuid.UUID, with *uuid.UUID) (api.RunComparison, error) {
	return cli.Value(client.CompareRunsWithResponse(ctx, run, &api.CompareRunsParams{With: with}))
}

func diffCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff [EARLIER] RUN",
		Short: "Say what differs between a run and an earlier one",
		Long: `Say what differs between a run and an earlier one: what changed since it last worked.

With one run, the earlier one is the last run of its deployment that completed before it.
Compared are parameters and job variables as the runs had them, the deployment's revision,
the template version, and of the newest attempts the image with its digest as the node ran
it, cluster, node and worker. The smallest differences come first.`,
		Example: `  berth run diff etl-brave-anchor-042
  berth run diff etl-calm-gull-041 etl-brave-anchor-042 -o json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		id, err := lookup.FindRun(cmd.Context(), client, args[len(args)-1])
		if err != nil {
			return err
		}
		var with *uuid.UUID
		if len(args) > 1 {
			earlier, err := lookup.FindRun(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			with = &earlier
		}
		c, err := compareRuns(cmd.Context(), client, id, with)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, c)
		}
		return printComparison(app, c)
	}
	return cmd
}

func printComparison(app *cli.App, c api.RunComparison) error {
	style := app.Style(app.Out)
	for _, side := range []struct {
		word string
		run  api.Run
	}{{"earlier", c.Before}, {"later", c.After}} {
		if err := app.Printf("%-8s %s  %s, created %s\n", side.word, side.run.Name,
			style.State(side.run.State.Type, cli.StateText(side.run.State)), app.Ago(side.run.CreatedAt)); err != nil {
			return err
		}
	}
	if len(c.Differences) == 0 {
		if err := app.Printf("nothing that Berth knows of differs\n"); err != nil {
			return err
		}
	}
	for _, d := range c.Differences {
		if err := app.Printf("- %s\n", d.Text); err != nil {
			return err
		}
	}
	if len(c.Same) == 0 {
		return nil
	}
	same := make([]string, len(c.Same))
	for i, s := range c.Same {
		same[i] = strings.ReplaceAll(string(s), "_", " ")
	}
	return app.Printf("the same: %s\n", strings.Join(same, ", "))
}
