package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func deployCommand(app *cli.App) *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring pools, variables and deployments to what berth.yaml describes, all or nothing",
		Long: `Bring pools, variables and deployments to what berth.yaml describes, all or nothing.

What is not in the file is left alone. docs/berth-yaml.md describes the file.`,
		Args: cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "berth.yaml", "the file, - for standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would change and change nothing")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		described, err := loadBerthFile(app, file)
		if err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		body, err := described.Request(dryRun)
		if err != nil {
			return err
		}
		r, err := client.ApplyWithBodyWithResponse(cmd.Context(), "application/json", bytes.NewReader(body))
		result, err := cli.Value(resultOf(r, err).JSON200, r, err)
		var problem *cli.ProblemError
		if errors.As(err, &problem) {
			problem.Locate = described.Locate
		}
		if err != nil {
			return err
		}
		return printApplied(app, *format, result, described)
	}
	return cmd
}

func loadBerthFile(app *cli.App, file string) (*berthfile.File, error) {
	described, err := berthfile.Load(file, app.ReadFile)
	var problems berthfile.Problems
	if !errors.As(err, &problems) {
		return described, err
	}
	if file == "-" {
		file = "standard input"
	}
	usage := cli.Usagef("%s can not be deployed", file)
	for _, problem := range problems {
		usage.Details = append(usage.Details, problem.String())
	}
	return nil, usage
}

func printApplied(app *cli.App, format cli.Format, result api.ApplyResult, described *berthfile.File) error {
	for _, warning := range result.Warnings {
		warning.Pointer = described.Locate(warning.Pointer)
		app.Notef("%s %s", app.Style(app.Err).Busy("warning:"), cli.FindingLine(warning))
	}
	if format != cli.Table {
		return app.Document(format, result)
	}
	style := app.Style(app.Out)
	changed := 0
	for _, change := range result.Changes {
		line := fmt.Sprintf("= unchanged %s %s", change.Kind, change.Name)
		switch change.Action {
		case "create":
			changed++
			line = style.Good(fmt.Sprintf("+ create %s %s", change.Kind, change.Name))
		case "update":
			changed++
			line = style.Busy(fmt.Sprintf("~ update %s %s%s", change.Kind, change.Name, fields(change.Fields)))
		}
		if err := app.Printf("%s\n", line); err != nil {
			return err
		}
	}
	return app.Printf("%s\n", appliedSummary(result.DryRun, changed))
}

func appliedSummary(dryRun bool, changed int) string {
	switch {
	case changed == 0:
		return "nothing to change"
	case dryRun:
		return fmt.Sprintf("%s would be made; nothing was (--dry-run)", plural(changed, "change"))
	}
	return fmt.Sprintf("%s made", plural(changed, "change"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func fields(names *[]string) string {
	if names == nil || len(*names) == 0 {
		return ""
	}
	return ": " + strings.Join(*names, ", ")
}
