package run

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func explainRun(
	ctx context.Context, client *cli.Client, id uuid.UUID,
) (api.RunExplanation, error) {
	return cli.Value(client.ExplainRunWithResponse(ctx, id))
}

func explainCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "explain RUN",
		Short:             "Explain why a run waits or how it ended",
		Args:              lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		e, err := explainRun(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, e)
		}
		return printExplanation(app, e)
	})
	return cmd
}

func printExplanation(app *cli.App, e api.RunExplanation) error {
	style := app.Style(app.Out)
	if err := app.Printf("run %s is %s\n%s\n", e.Run.Name, style.State(e.Run.State.Type, cli.StateText(e.Run.State)), e.Sentence); err != nil {
		return err
	}
	for _, line := range e.Details {
		if err := app.Printf("- %s\n", line); err != nil {
			return err
		}
	}
	for _, line := range queueLines(app, e) {
		if err := app.Printf("- %s\n", line); err != nil {
			return err
		}
	}
	for _, line := range e.Next {
		if err := app.Printf("next: %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// holdersTold is how many holders of slots the sentence names.
const holdersTold = 3

// queueLines say when the run is likely to start, and which runs hold slots if the sentence does not name all. How many are
// ahead is among the details.
func queueLines(app *cli.App, e api.RunExplanation) []string {
	var lines []string
	if e.Eta != nil {
		from, to := cli.Duration(seconds(e.Eta.From)), cli.Duration(seconds(e.Eta.To))
		line := "it is likely to start in about " + from
		if to != from {
			line += " to " + to
		}
		lines = append(lines, line)
	}
	if e.HoldersTotal <= holdersTold {
		return lines
	}
	for _, h := range e.Holders {
		line := fmt.Sprintf("a slot is held by %s (%s) for %s", h.Name, h.Deployment, cli.Duration(app.Now().Sub(h.Since)))
		if h.UsualSeconds != nil {
			line += ", usually " + cli.Duration(seconds(*h.UsualSeconds))
		}
		lines = append(lines, line)
	}
	return lines
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
