package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func runEventsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "events RUN",
		Short:             "List what happened to a run: when, who, why",
		Args:              runArgs,
		ValidArgsFunction: runNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		r, err := client.ListRunEventsWithResponse(cmd.Context(), id)
		list, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.List(app, *format, list.Items, []cli.Column[api.RunEvent]{
			{Title: "when", Cell: func(e api.RunEvent) string { return app.Ago(e.At) }},
			{
				Title: "state",
				Cell:  func(e api.RunEvent) string { return style.State(e.State.Type, cli.StateText(e.State)) },
			},
			{Title: "attempt", Cell: func(e api.RunEvent) string { return cli.Number(e.Attempt) }},
			{Title: "by", Cell: func(e api.RunEvent) string { return e.Actor }},
			{Title: "message", Cell: func(e api.RunEvent) string { return e.Message }},
		})
	})
	return cmd
}

func runManifestCommand(app *cli.App) *cobra.Command {
	var attempt int32
	cmd := &cobra.Command{
		Use:               "manifest RUN",
		Short:             "Print the Job that ran, as YAML",
		Args:              runArgs,
		ValidArgsFunction: runNames(app),
	}
	cmd.Flags().Int32Var(&attempt, "attempt", 0, "of this attempt (default: the newest)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		if attempt < 0 {
			return cli.Usagef("--attempt %d: attempts count from 1", attempt)
		}
		if attempt == 0 {
			detail, err := getRun(cmd.Context(), client, id)
			if err != nil {
				return err
			}
			if detail.Run.Attempt == 0 {
				return fmt.Errorf(
					"run %s has no attempt yet; berth run explain %s says what it waits for",
					detail.Run.Name,
					id,
				)
			}
			attempt = detail.Run.Attempt
		}
		r, err := client.GetAttemptManifestWithResponse(cmd.Context(), id, attempt)
		manifest, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		if *format == cli.Table {
			*format = cli.YAML
		}
		return app.Document(*format, manifest)
	})
	return cmd
}
