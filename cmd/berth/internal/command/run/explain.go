package run

import (
	"context"

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
	for _, line := range e.Next {
		if err := app.Printf("next: %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
