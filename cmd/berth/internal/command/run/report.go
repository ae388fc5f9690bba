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

// reportFlags are what a workload says of itself.
type reportFlags struct {
	result, resultFile, message string
	percent                     float64
}

func reportCommand(app *cli.App) *cobra.Command {
	var in reportFlags
	cmd := &cobra.Command{
		Use:   "report [ID]",
		Short: "Report the result or the progress of a run, from inside its job",
		Long: `Report the result or the progress of a run, from inside its job.

ID defaults to BERTH_RUN_ID, which is set in every job. BERTH_API_URL and BERTH_API_KEY are set if
the worker gives jobs access to the API (see berth worker start --create-job-api-key-secret).`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&in.result, "result", "", "result; JSON if it is valid JSON, else a string")
	flags.StringVarP(&in.resultFile, "result-file", "f", "",
		"YAML or JSON file with the result; - for standard input")
	flags.Float64Var(&in.percent, "progress", 0, "progress in percent, from 0 to 100")
	flags.StringVarP(&in.message, "message", "m", "", "progress message")
	cmd.RunE = app.WithClient(func(_ context.Context, client *cli.Client, args []string) error {
		given := cmd.Flags().Changed
		saysResult, saysProgress := given("result") ||
			given("result-file"), given("progress") ||
			given("message")
		if !saysResult && !saysProgress {
			return cli.Usagef("nothing to report: set --result, --result-file, --progress or --message")
		}
		id, err := lookup.RunID(strings.Join(append(args, app.Env["BERTH_RUN_ID"])[:1], ""))
		if err != nil {
			return err
		}
		if saysProgress {
			if err := in.sendProgress(cmd, client, id); err != nil {
				return err
			}
		}
		if !saysResult {
			return nil
		}
		return in.sendResult(app, cmd, client, id)
	})
	return cmd
}

func (in *reportFlags) sendProgress(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
	body := api.RunProgressSet{Message: cli.StringOrNil(in.message)}
	if cmd.Flags().Changed("progress") {
		body.Percent = &in.percent
	}
	return cli.Check(client.SetRunProgressWithResponse(cmd.Context(), id, body))
}

func (in *reportFlags) sendResult(
	app *cli.App, cmd *cobra.Command, client *cli.Client, id uuid.UUID,
) error {
	var words []string
	if cmd.Flags().Changed("result") {
		words = []string{in.result}
	}
	value, err := cli.ReadValueArg(app, words, in.resultFile, false)
	if err != nil {
		return err
	}
	return cli.Check(client.SetRunResultWithResponse(cmd.Context(), id, api.RunResultSet{Value: value}))
}
