package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/templating"
)

// templateChange is what `diff` prints as a document.
type templateChange struct {
	Diff   api.TemplateDiff   `json:"diff"`
	Impact api.TemplateImpact `json:"impact"`
}

func templateDiffCommand(app *cli.App) *cobra.Command {
	var from, to int32
	var file string
	var jobs bool
	cmd := &cobra.Command{
		Use:   "diff POOL [--from N] [--to N | -f FILE]",
		Short: "Show how two versions of the template differ, and what that does to each deployment of the pool",
		Long: `Show how two versions of the template differ, and what that does to each deployment of the pool: which get another Job,
and of which none can be made any more. With -f the change is one that is not saved yet.

Without --from it starts at the newest version, or with neither --to nor -f at the one before it.`,
		Example: `  berth pool template diff default -f template.yaml
  berth pool template diff default --from 3 --to 5 --jobs`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	flags := cmd.Flags()
	flags.Int32Var(&from, "from", 0, "the version to compare with (default: the newest)")
	flags.Int32Var(&to, "to", 0, "the version that is compared")
	flags.StringVarP(
		&file,
		"file",
		"f",
		"",
		"file with a template that is not saved yet, - for standard input",
	)
	flags.BoolVar(&jobs, "jobs", false, "show how the Job of each deployment changes")
	cmd.MarkFlagsMutuallyExclusive("to", "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		given, err := readTemplate(app, file)
		if err != nil {
			return err
		}
		comparison, err := compared(cmd.Context(), client, args[0], from, to, given.document)
		if err != nil {
			return err
		}
		working := app.Working("comparing with every deployment of the pool")
		change, err := changeOf(cmd.Context(), client, args[0], comparison)
		working.Stop()
		if err != nil {
			return given.refused(err)
		}
		if *format != cli.Table {
			return app.Document(*format, change)
		}
		if err := printPatch(app, change.Diff.Text, "the templates do not differ"); err != nil {
			return err
		}
		return printImpact(app, change.Impact, jobs)
	}
	return cmd
}

// compared says what is compared with what.
func compared(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	pool string,
	from, to int32,
	document json.RawMessage,
) (api.TemplateComparison, error) {
	var c api.TemplateComparison
	if from > 0 {
		c.FromVersion = &from
	}
	switch {
	case document != nil:
		c.Document = document
		return c, nil
	case to > 0:
		c.ToVersion = &to
		return c, nil
	}
	r, err := client.GetTemplateWithResponse(ctx, pool, &api.GetTemplateParams{})
	newest, err := cli.Value(resultOf(r, err).JSON200, r, err)
	if err != nil {
		return c, err
	}
	c.ToVersion = &newest.Version
	if c.FromVersion == nil {
		if newest.Version == 1 {
			return c, cli.Usagef(
				"the template of pool %q has only one version; compare it with a file: -f FILE",
				pool,
			)
		}
		before := newest.Version - 1
		c.FromVersion = &before
	}
	return c, nil
}

// changeOf asks for the differences, and for what they do to all deployments.
func changeOf(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	pool string,
	c api.TemplateComparison,
) (templateChange, error) {
	var change templateChange
	r, err := client.DiffTemplateWithResponse(ctx, pool, c)
	if change.Diff, err = cli.Value(resultOf(r, err).JSON200, r, err); err != nil {
		return change, err
	}
	change.Impact, err = impactOf(ctx, client, pool, c)
	return change, err
}

func impactOf(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	pool string,
	c api.TemplateComparison,
) (api.TemplateImpact, error) {
	var impact api.TemplateImpact
	items, err := cli.Pages(0, func(limit int32, cursor *string) ([]api.DeploymentImpact, *string, error) {
		r, err := client.ImpactTemplateWithResponse(
			ctx,
			pool,
			&api.ImpactTemplateParams{Limit: &limit, Cursor: cursor},
			c,
		)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		impact = page
		return page.Items, page.NextCursor, err
	})
	impact.Items, impact.NextCursor = items, nil
	if impact.Items == nil {
		impact.Items = []api.DeploymentImpact{}
	}
	return impact, err
}

// printPatch prints a unified diff, coloured on a terminal.
func printPatch(app *cli.App, patch, none string) error {
	if patch == "" {
		return app.Printf("%s\n", none)
	}
	style := app.Style(app.Out)
	for _, line := range strings.Split(strings.TrimSuffix(patch, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			line = style.Strong(line)
		case strings.HasPrefix(line, "@@"):
			line = style.Weak(line)
		case strings.HasPrefix(line, "+"):
			line = style.Good(line)
		case strings.HasPrefix(line, "-"):
			line = style.Bad(line)
		}
		if err := app.Printf("%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// printImpact prints what a change does to the deployments: those that break first said in words, the others
// by name, or with the difference of their Jobs.
func printImpact(app *cli.App, impact api.TemplateImpact, jobs bool) error {
	style := app.Style(app.Out)
	if err := app.Printf("\n%s\n", impactText(style, impact.Summary)); err != nil {
		return err
	}
	for _, item := range impact.Items {
		line := style.Busy("changed") + "  " + item.Deployment
		switch {
		case item.Verdict == api.Broken && item.BrokenBefore:
			line = style.Bad("broken") + "   " + item.Deployment + " (and was before)"
		case item.Verdict == api.Broken:
			line = style.Bad("broken") + "   " + item.Deployment
		case item.BrokenBefore:
			line += " (was broken)"
		}
		if len(item.Invented) > 0 {
			line += style.Weak("  shown with an invented " + joined(item.Invented))
		}
		if err := app.Printf("  %s\n", line); err != nil {
			return err
		}
		for _, finding := range item.Errors {
			if err := app.Printf("           %s\n", cli.FindingLine(finding)); err != nil {
				return err
			}
		}
		if jobs && item.Text != "" {
			if err := printPatch(app, item.Text, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func impactText(style cli.Style, s api.TemplateImpactSummary) string {
	text := fmt.Sprintf(
		"%s: %d unchanged, %d changed, %d broken",
		plural(int(s.Deployments), "deployment"),
		s.Unchanged,
		s.Changed,
		s.Broken,
	)
	if s.NewlyBroken > 0 {
		return style.Bad(fmt.Sprintf("%s, %d of them by this change", text, s.NewlyBroken))
	}
	return text
}

func templateRollbackCommand(app *cli.App) *cobra.Command {
	var to int32
	var unbroken bool
	cmd := &cobra.Command{
		Use:   "rollback POOL --to N",
		Short: "Save a new version that is equal to an old one",
		Long: `Save a new version that is equal to an old one. Versions are never changed or removed, so a rollback can itself be rolled back.
See what it would do first: berth pool template diff POOL --to N`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	cmd.Flags().Int32Var(&to, "to", 0, "the version to go back to")
	cmd.Flags().
		BoolVar(&unbroken, "require-unbroken", false, "refuse it where it breaks a deployment that works now")
	required(cmd, "to")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		params := &api.RollBackTemplateParams{}
		if unbroken {
			params.RequireUnbroken = &unbroken
		}
		r, err := client.RollBackTemplateWithResponse(
			cmd.Context(),
			args[0],
			params,
			api.TemplateRollback{Version: to},
		)
		version, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return savedTemplate(templateFile{app: app}, *format, version)
	}
	return cmd
}

// savedTemplate says what a save came to: warnings and impact beside the output.
func savedTemplate(given templateFile, format cli.Format, version api.TemplateVersion) error {
	app := given.app
	style := app.Style(app.Err)
	if version.Warnings != nil {
		given.note(*version.Warnings, templating.SeverityWarning)
	}
	if impact := version.Impact; impact != nil && impact.Deployments > 0 {
		app.Notef("%s", impactText(style, *impact))
		if impact.NewlyBroken > 0 {
			app.Notef(
				"see which and why: berth pool template diff %s --from %d --to %d",
				version.Pool,
				max(1, version.Version-1),
				version.Version,
			)
		}
	}
	return printDone(app, format, version, "template of pool %q is version %d", version.Pool, version.Version)
}

func templatePreviewCommand(app *cli.App) *cobra.Command {
	var body api.TemplatePreviewRequest
	var version int32
	var file, deployment, variables string
	var set, params []string
	cmd := &cobra.Command{
		Use:   "preview POOL [--deployment NAME] [--version N | -f FILE]",
		Short: "Print the Job that a run would be; nothing is stored and nothing runs",
		Example: `  berth pool template preview default --deployment etl --param date=2026-01-01
  berth pool template preview default -f template.yaml --job-variable memory=512`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: poolNames(app),
	}
	flags := cmd.Flags()
	flags.StringVar(&deployment, "deployment", "", "a deployment of the pool, whose values are taken")
	flags.Int32Var(&version, "version", 0, "a saved version (default: the newest)")
	flags.StringVarP(
		&file,
		"file",
		"f",
		"",
		"file with a template that is not saved yet, - for standard input",
	)
	flags.StringVar(&variables, "variables", "", "YAML or JSON file with the run's job variables")
	flags.StringArrayVar(
		&set,
		"job-variable",
		nil,
		"a job variable of the run as name=value, JSON where it parses as JSON (repeatable)",
	)
	flags.StringArrayVar(
		&params,
		"param",
		nil,
		"a parameter of the run as name=value, JSON where it parses as JSON (repeatable)",
	)
	cmd.MarkFlagsMutuallyExclusive("version", "file")
	cli.EnvPerLine(cmd, "job-variable", "param")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given, err := readTemplate(app, file)
		if err != nil {
			return err
		}
		body.Document = given.document
		if version > 0 {
			body.Version = &version
		}
		if deployment != "" {
			body.Deployment = &deployment
		}
		if body.JobVariables, err = givenValues(app, variables, "job-variable", set); err != nil {
			return err
		}
		if body.Parameters, err = givenValues(app, "", "param", params); err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.PreviewTemplateWithResponse(cmd.Context(), args[0], body)
		seen, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return given.refused(err)
		}
		return given.printPreview(*format, seen)
	}
	return cmd
}

// givenValues are the values of a file, and over them those of flags; nothing where there are none.
func givenValues(app *cli.App, file, flag string, assignments []string) (json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if file != "" {
		document, err := app.ReadDocument(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(document, &values); err != nil {
			return nil, cli.Usagef("%s: must hold names and values", file)
		}
	}
	set, err := cli.Assignments(flag, assignments, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range set {
		values[name] = value
	}
	if len(values) == 0 {
		return nil, nil
	}
	return json.Marshal(values)
}

func (f templateFile) printPreview(format cli.Format, seen api.TemplatePreview) error {
	app := f.app
	style := app.Style(app.Err)
	f.note(seen.Warnings, templating.SeverityWarning)
	f.note(seen.Errors, templating.SeverityError)
	if string(seen.Invented) != "{}" && len(seen.Invented) > 0 {
		app.Notef("%s nothing sets %s: shown with an invented value", style.Busy("note:"), seen.Invented)
	}
	if len(seen.Errors) > 0 {
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	if format == cli.Table {
		format = cli.YAML
	}
	return app.Document(format, seen.Job)
}
