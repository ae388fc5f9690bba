package run

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func manifestCommand(app *cli.App) *cobra.Command {
	var attempt int32
	cmd := &cobra.Command{
		Use:               "manifest RUN",
		Short:             "Print the Job manifest of an attempt as YAML",
		Args:              lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	cmd.Flags().Int32Var(&attempt, "attempt", 0, "number of the attempt (default: the newest)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		if attempt < 0 {
			return cli.Usagef("--attempt %d: attempts count from 1", attempt)
		}
		if attempt == 0 {
			detail, err := lookup.GetRun(cmd.Context(), client, id)
			if err != nil {
				return err
			}
			if detail.Run.Attempt == 0 {
				return fmt.Errorf("run %s has no attempt yet; to see why it waits: berth run explain %s",
					detail.Run.Name, id)
			}
			attempt = detail.Run.Attempt
		}
		manifest, err := cli.Value(client.GetAttemptManifestWithResponse(cmd.Context(), id, attempt))
		if err != nil {
			return err
		}
		if *format == cli.Table {
			*format = cli.YAML
		}
		return app.PrintDocument(*format, manifest)
	})
	return cmd
}
