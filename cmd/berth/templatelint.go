package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func templateLintCommand(app *cli.App) *cobra.Command {
	var file, engine string
	cmd := &cobra.Command{Use: "lint -f FILE", Short: "Say all that is wrong with a base job template; 1 when there are errors", Args: cobra.NoArgs}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with the base job template, YAML or JSON, - for standard input")
	cmd.Flags().StringVar(&engine, "engine", "", "check with this engine, whatever the template says")
	required(cmd, "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		data, err := app.ReadFile(file)
		if err != nil {
			return err
		}
		report := lintOffline(data, engine)
		if err := printOfflineLint(app, *format, report); err != nil {
			return err
		}
		if len(report.Errors) > 0 {
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	}
	return cmd
}

// lintOffline finds all there is to say about a template, as a save does, without a server.
func lintOffline(data []byte, engine string) templating.Report {
	template, err := templating.Parse(data)
	if err != nil {
		return templating.Report{Errors: templating.AsProblems(err), Warnings: []templating.Problem{}, Placeholders: []string{}}
	}
	if engine != "" {
		template.Engine = engine
	}
	return templating.Lint(templating.DefaultRegistry(), template, manifest.Check)
}

func printOfflineLint(app *cli.App, format cli.Format, report templating.Report) error {
	if format != cli.Table {
		return app.Document(format, report)
	}
	style := app.Style(app.Out)
	for _, list := range []struct {
		title    string
		problems []templating.Problem
	}{{style.Bad("error:"), report.Errors}, {style.Busy("warning:"), report.Warnings}} {
		for _, p := range list.problems {
			if err := app.Printf("%s %s\n%s", list.title, p, excerpt(p)); err != nil {
				return err
			}
		}
	}
	return app.Printf("%s, %s\n", plural(len(report.Errors), "error"), plural(len(report.Warnings), "warning"))
}

// excerpt is the line that the problem is in, with a caret under the place.
func excerpt(p templating.Problem) string {
	if p.Excerpt == "" {
		return ""
	}
	text := "    " + p.Excerpt + "\n"
	if p.Column > 0 {
		text += "    " + strings.Repeat(" ", p.Column-1) + "^\n"
	}
	return text
}
