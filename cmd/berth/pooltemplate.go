package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

func poolTemplateCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "template", Short: "The base job template of a pool and its versions"}
	return cli.Group(
		cmd,
		templateGetCommand(
			app,
		),
		templateSetCommand(app),
		templateEditCommand(app),
		templatePreviewCommand(app),
		poolLintCommand(app),
		templateVersionsCommand(app),
		templateDiffCommand(app),
		templateRollbackCommand(app),
	)
}

func templateGetCommand(app *cli.App) *cobra.Command {
	var number int32
	cmd := &cobra.Command{
		Use:   "get POOL",
		Short: "Print the template as YAML, ready to be edited and set again",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().Int32Var(&number, "version", 0, "an earlier version (default: the newest)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		params := &api.GetTemplateParams{}
		if cmd.Flags().Changed("version") {
			params.Version = &number
		}
		r, err := client.GetTemplateWithResponse(cmd.Context(), args[0], params)
		version, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		// A template has no form as a table: it is shown as people write it.
		if *format == cli.Table {
			*format = cli.YAML
		}
		return app.Document(*format, version.Document)
	}
	return cmd
}

func templateSetCommand(app *cli.App) *cobra.Command {
	var file string
	var edited int32
	var unbroken bool
	cmd := &cobra.Command{
		Use:   "set POOL -f FILE",
		Short: "Save a new version of the template; one with errors is refused and nothing is stored",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "file with the template, YAML or JSON, - for standard input")
	cmd.Flags().
		BoolVar(&unbroken, "require-unbroken", false, "refuse it where it breaks a deployment that works now")
	cmd.Flags().Int32Var(&edited, "if-version", 0, "refuse unless this is still the newest version")
	required(cmd, "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given, err := readTemplate(app, file)
		if err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		params := &api.SetTemplateParams{}
		if cmd.Flags().Changed("if-version") {
			etag := fmt.Sprintf("%q", fmt.Sprint(edited))
			params.IfMatch = &etag
		}
		if unbroken {
			params.RequireUnbroken = &unbroken
		}
		r, err := client.SetTemplateWithResponse(cmd.Context(), args[0], params, given.document)
		version, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return given.refused(err)
		}
		return savedTemplate(given, *format, version)
	}
	return cmd
}

// required marks a flag; the environment can give it, too.
func required(cmd *cobra.Command, flag string) {
	// The only error there is: a flag of another name.
	_ = cmd.MarkFlagRequired(flag)
}

func poolLintCommand(app *cli.App) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "lint POOL -f FILE",
		Short: "Say what saving a template would say, and store nothing; 1 when it has errors",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "file with the template, YAML or JSON, - for standard input")
	required(cmd, "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given, err := readTemplate(app, file)
		if err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.LintTemplateWithResponse(cmd.Context(), args[0], given.document)
		report, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return given.printLint(*format, report)
	}
	return cmd
}

// printLint prints findings and fails where there are errors among them.
func (f templateFile) printLint(format cli.Format, report api.LintReport) error {
	if format != cli.Table {
		if err := f.app.Document(format, report); err != nil {
			return err
		}
	} else {
		style := f.app.Style(f.app.Out)
		for _, text := range append(f.texts(style, report.Errors, templating.SeverityError), f.texts(style, report.Warnings, templating.SeverityWarning)...) {
			if err := f.app.Printf("%s\n", text); err != nil {
				return err
			}
		}
		if err := f.app.Printf("%s\n", summary(style, len(report.Errors), len(report.Warnings))); err != nil {
			return err
		}
	}
	if len(report.Errors) > 0 {
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	return nil
}

func templateVersionsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "versions POOL", Short: "List the versions of the template, newest first",
		Args: cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		versions, err := cli.Pages(
			0,
			func(limit int32, cursor *string) ([]api.TemplateVersion, *string, error) {
				r, err := client.ListTemplateVersionsWithResponse(
					cmd.Context(),
					args[0],
					&api.ListTemplateVersionsParams{Limit: &limit, Cursor: cursor},
				)
				page, err := cli.Value(resultOf(r, err).JSON200, r, err)
				return page.Items, page.NextCursor, err
			},
		)
		if err != nil {
			return err
		}
		return cli.List(app, *format, versions, []cli.Column[api.TemplateVersion]{
			{Title: "version", Cell: func(v api.TemplateVersion) string { return fmt.Sprint(v.Version) }},
			{Title: "saved", Cell: func(v api.TemplateVersion) string { return app.Ago(v.CreatedAt) }},
			{Title: "by", Cell: func(v api.TemplateVersion) string { return v.CreatedBy }},
			{Title: "id", Cell: func(v api.TemplateVersion) string { return v.ID.String() }},
		})
	}
	return cmd
}

// templateSchema is the schema of a pool's job variables, as far as the template declares one.
func templateSchema(document json.RawMessage) json.RawMessage {
	var template struct {
		Variables json.RawMessage `json:"variables"`
	}
	// A template that is not what we expect decides nothing; the server will say what is wrong with the
	// values.
	_ = json.Unmarshal(document, &template)
	return template.Variables
}
