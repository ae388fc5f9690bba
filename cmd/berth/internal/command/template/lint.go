package template

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

func lintCommand(app *cli.App) *cobra.Command {
	var file, engine, deployment string
	cmd := &cobra.Command{
		Use:   "lint -f FILE",
		Short: "Check a base job template; exit with 1 if it has errors",
		Long: `Check a base job template as the server does when it saves one: the schema of the variables, all
placeholders and functions, and the Job for the default values, for each example, for each value of an
enum or boolean, and with a value for each optional variable.

Exits with 1 if the template has errors; warnings are not failures.`,
		Example: `  berth template lint -f template.yaml
  berth pool template get my-pool | berth template lint -f - -o json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "YAML or JSON file with the base job template; - for standard input")
	cmd.Flags().StringVar(&engine, "engine", "", "template engine; overrides the engine in the template")
	cmd.Flags().
		StringVar(&deployment, "deployment-variables", "", "YAML or JSON file with job variables of a deployment to check, too")
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
		if err := printOfflineLint(app, *format, report, located, file); err != nil {
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
) (offlineReport, *locate.Source) {
	source := locate.New(data)
	template, err := templating.Parse(data)
	if err != nil {
		return offlineReport{
			Errors: templatefile.Locate(source, templatefile.FileName(file), templating.AsProblems(err),
				source.Syntax),
			Warnings:     []templatefile.LocatedProblem{},
			Placeholders: []string{},
		}, source
	}
	if engine != "" {
		template.Engine = engine
	}
	report := manifest.Lint(templating.DefaultRegistry(), template, reference.Protected{})
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
	app *cli.App, format cli.Format, report offlineReport, source *locate.Source, file string,
) error {
	if format != cli.Table {
		return app.PrintDocument(format, report)
	}
	printer := diagnostic.Printer{
		Source: source, Name: templatefile.FileName(file), Style: app.Style(app.Out), Width: app.Width(app.Out),
	}
	for _, l := range slices.Concat(report.Errors, report.Warnings) {
		if err := app.Printf("%s\n", printer.Print(l.Problem, l.Place)); err != nil {
			return err
		}
	}
	return app.Printf("%s\n",
		templatefile.Summary(app.Style(app.Out), len(report.Errors), len(report.Warnings)))
}
