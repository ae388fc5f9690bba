package template

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func lintCommand(app *cli.App) *cobra.Command {
	var file, engine, deployment string
	cmd := &cobra.Command{
		Use:   "lint -f FILE",
		Short: "Say all that is wrong with a base job template; 1 when there are errors",
		Long: `Say all that is wrong with a base job template, as saving it would: the schema of its variables, what it refers to, its
functions, and the Job that it makes with its defaults, with each example and with each alternative of an enum or boolean.

Ends with 1 when there are errors; warnings alone are no failure.`,
		Example: `  berth template lint -f template.yaml
  berth pool template get my-pool | berth template lint -f - -o json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "file with the base job template, YAML or JSON, - for standard input")
	cmd.Flags().StringVar(&engine, "engine", "", "check with this engine, whatever the template says")
	cmd.Flags().
		StringVar(&deployment, "deployment-variables", "", "YAML or JSON file with a deployment's job variables, to be checked as well")
	cli.Required(cmd, "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		data, err := app.ReadFile(file)
		if err != nil {
			return err
		}
		var variables map[string]any
		if deployment != "" {
			if variables, err = cli.ReadValues(app, deployment); err != nil {
				return err
			}
		}
		report, located := lintOffline(data, file, engine, variables)
		if err := printOfflineLint(app, *format, report, located); err != nil {
			return err
		}
		if len(report.Errors) > 0 {
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	}
	return cmd
}

// offlineReport is a templating.Report with places in the file, in the same form.
type offlineReport struct {
	Errors       []templatefile.LocatedProblem `json:"errors"`
	Warnings     []templatefile.LocatedProblem `json:"warnings"`
	Placeholders []string                      `json:"placeholders"`
}

// lintOffline finds all there is to say about a template, as a save does, without a server.
// Variables are those of a deployment; nil where none are given.
func lintOffline(
	data []byte, file, engine string, variables map[string]any,
) (offlineReport, *diagnostic.Source) {
	source := diagnostic.New(templatefile.FileName(file), data)
	template, err := templating.Parse(data)
	if err != nil {
		return offlineReport{
			Errors:       templatefile.Locate(source, templatefile.FileName(file), templating.AsProblems(err), source.Syntax),
			Warnings:     []templatefile.LocatedProblem{},
			Placeholders: []string{},
		}, source
	}
	if engine != "" {
		template.Engine = engine
	}
	report := templating.Lint(templating.DefaultRegistry(), template, manifest.Check)
	if compiled, _ := templating.DefaultRegistry().Compile(template); compiled != nil &&
		variables != nil { // what is wrong with it is in the report
		warnings, err := compiled.ValidateDeployment(variables)
		report.Errors = append(report.Errors, templating.AsProblems(err)...)
		report.Warnings = append(report.Warnings, warnings...)
	}
	return offlineReport{
		Errors: templatefile.Locate(source, templatefile.FileName(file), report.Errors, source.Locate),
		Warnings: templatefile.Locate(source, templatefile.FileName(file), report.Warnings,
			source.Locate), Placeholders: report.Placeholders,
	}, source
}

func printOfflineLint(
	app *cli.App, format cli.Format, report offlineReport, source *diagnostic.Source,
) error {
	if format != cli.Table {
		return app.PrintDocument(format, report)
	}
	printer := diagnostic.Printer{Style: app.Style(app.Out), Width: app.Width(app.Out)}
	for _, l := range slices.Concat(report.Errors, report.Warnings) {
		if err := app.Printf("%s\n", printer.Print(source, l.Problem, l.Place)); err != nil {
			return err
		}
	}
	return app.Printf("%s\n", templatefile.Summary(app.Style(app.Out), len(report.Errors), len(report.Warnings)))
}
