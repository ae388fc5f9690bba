package schedule

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func pauseCommand(app *cli.App, verb, short string, active bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " DEPLOYMENT [NAME]", Short: short, Args: cobra.RangeArgs(1, 2), ValidArgsFunction: deploymentThenSchedule(app),
		Long: short + ".\n\nNAME defaults to the only schedule of the deployment, or to the one named default.",
	}
	breakGlass, reason := new(string), new(string)
	if active { // what stops work needs no approval
		breakGlass = cli.BreakGlassFlag(cmd)
	} else {
		cli.PauseReasonVar(cmd, reason)
	}
	drop := cmd.Flags().Bool("drop-waiting", false,
		"drop the slots that wait for the end of a run, with overlap: queue")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		name, err := scheduleName(ctx, client, args)
		if err != nil {
			return err
		}
		s, err := cli.Value(client.UpdateScheduleWithResponse(ctx, args[0], name,
			&api.UpdateScheduleParams{BreakGlass: cli.StringOrNil(*breakGlass)},
			api.ScheduleUpdate{Active: active, PauseReason: cli.StringOrNil(*reason), DropWaiting: drop}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, s, "schedule %q of deployment %q %sd", s.Name,
			s.Deployment, verb)
	})
	return cmd
}

// scheduleName is the one that is meant.
func scheduleName(ctx context.Context, client *cli.Client, args []string) (string, error) {
	if len(args) == 2 {
		return args[1], nil
	}
	const unnamed = "default"
	names, err := lookup.ScheduleNames(ctx, client, args[0])
	if err != nil || len(names) == 0 || slices.Contains(names, unnamed) {
		return unnamed, err
	}
	if len(names) > 1 {
		return "", cli.Usagef("deployment %q has several schedules; specify one of them: %s", args[0],
			cli.CommaList(names))
	}
	return names[0], nil
}

// deploymentThenSchedule completes the name of a deployment, and then of one of its schedules.
func deploymentThenSchedule(app *cli.App) lookup.Completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return lookup.DeploymentNames(app)(cmd, args, typed)
		}
		return lookup.CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
			return lookup.ScheduleNames(ctx, client, args[0])
		})(cmd, nil, typed)
	}
}
