package run

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get RUN",
		Short:             "Show a run and its attempts",
		Args:              lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		detail, err := lookup.GetRun(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, detail)
		}
		return printRun(app, detail)
	})
	return cmd
}

func printRun(app *cli.App, detail api.RunDetail) error {
	r, style := detail.Run, app.Style(app.Out)
	err := app.PrintFields([]cli.Field{
		{Name: "ID", Value: r.ID.String()},
		{Name: "Name", Value: r.Name},
		{Name: "Deployment", Value: r.Deployment},
		{Name: "Pool", Value: r.Pool + " / " + r.Queue},
		{
			Name:  "State",
			Value: style.State(r.State.Type, cli.StateText(r.State)) + ", " + app.Ago(r.State.At),
		},
		{Name: "Message", Value: cli.Text(r.State.Message)},
		{Name: "Tags", Value: cli.CommaList(r.Tags)},
		{Name: "Due", Value: app.Ago(r.ScheduledTime)},
		{Name: "Took", Value: duration(app, r)},
		{Name: "Created", Value: app.Ago(r.CreatedAt) + " by " + r.CreatedBy},
		{Name: "Parameters", Value: cli.FormatYAML(r.Parameters)},
		{Name: "Job variables", Value: cli.FormatYAML(r.JobVariables)},
		{Name: "Progress", Value: progress(detail.Progress)},
		{Name: "Result", Value: runResult(detail.Result)},
	})
	if err == nil {
		err = printRules(app, detail)
	}
	if err != nil || len(detail.Attempts) == 0 {
		return err
	}
	if err := app.Printf("\n"); err != nil {
		return err
	}
	if err := cli.PrintList(app, cli.Table, detail.Attempts, []cli.Column[api.Attempt]{
		{Title: "attempt", Cell: func(a api.Attempt) string { return fmt.Sprint(a.Number) }},
		{Title: "phase", Cell: func(a api.Attempt) string { return string(a.Phase) }},
		{Title: "category", Cell: func(a api.Attempt) string { return cli.Text(a.Category) }},
		{Title: "exit", Cell: func(a api.Attempt) string { return cli.Number(a.ExitCode) }},
		{Title: "worker", Cell: func(a api.Attempt) string { return a.Worker }},
		{Title: "job", Cell: func(a api.Attempt) string { return cli.Text(a.JobName) }},
		{Title: "node", Cell: func(a api.Attempt) string { return cli.Text(a.Node) }},
		{Title: "claimed", Cell: func(a api.Attempt) string { return app.Ago(a.ClaimedAt) }},
	}); err != nil {
		return err
	}
	return printMessages(app, detail.Attempts)
}

// printRules shows what rules said of the run.
func printRules(app *cli.App, detail api.RunDetail) error {
	if detail.RuleFindings == nil {
		return nil
	}
	if err := app.Printf("\n"); err != nil {
		return err
	}
	return cli.PrintList(app, cli.Table, *detail.RuleFindings, []cli.Column[api.RunRuleFinding]{
		{Title: "rule", Cell: func(f api.RunRuleFinding) string { return f.Rule }},
		{Title: "action", Cell: func(f api.RunRuleFinding) string { return string(f.Action) }},
		{Title: "of", Cell: func(f api.RunRuleFinding) string {
			if f.Pool == nil {
				return "installation"
			}
			return "pool " + *f.Pool
		}},
		{Title: "said", Cell: func(f api.RunRuleFinding) string {
			if f.Attempt == 0 {
				return "at creation"
			}
			return fmt.Sprintf("before attempt %d", f.Attempt)
		}},
		{Title: "message", Cell: func(f api.RunRuleFinding) string { return f.Message }},
	})
}

// printMessages shows what does not fit into a table's row.
func printMessages(app *cli.App, attempts []api.Attempt) error {
	for _, a := range attempts {
		texts := append([]string{cli.Text(a.Diagnosis), cli.Text(a.Message)}, indexes(a.Indexes)...)
		for _, text := range append(texts, archiveFailures(a.Output)) {
			if text == "" {
				continue
			}
			if err := app.Printf("attempt %d: %s\n", a.Number, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexes says how the indexes of an attempt stand, and how the first failed ones ended; nothing where it has
// none.
func indexes(i *api.AttemptIndexes) []string {
	if i == nil {
		return nil
	}
	text := fmt.Sprintf("%d of %d indexes succeeded", i.Succeeded, i.Total)
	if list := cli.Text(i.SucceededIndexes); list != "" {
		text += " (" + list + ")"
	}
	if i.Failed > 0 {
		text += fmt.Sprintf(", %d failed", i.Failed)
		if list := cli.Text(i.FailedIndexes); list != "" {
			text += " (" + list + ")"
		}
	}
	texts := []string{text}
	if i.Failures == nil {
		return texts
	}
	for _, f := range *i.Failures {
		texts = append(texts, fmt.Sprintf("index %d: %s", f.Index, cmp.Or(cli.Text(f.Message), string(f.Category))))
	}
	return texts
}

// archiveFailures says that output is still in the database because it could not be archived.
func archiveFailures(o *api.AttemptOutput) string {
	if o == nil || o.ArchiveFailures == nil {
		return ""
	}
	return fmt.Sprintf("its output could not be archived %d times and stays in the database until it can; "+
		"the server log has the reason", *o.ArchiveFailures)
}

// progress in words; nothing where nothing was said.
func progress(p *api.RunProgress) string {
	if p == nil {
		return ""
	}
	var parts []string
	if p.Percent != nil {
		parts = append(parts, fmt.Sprintf("%g %%", *p.Percent))
	}
	if message := cli.Text(p.Message); message != "" {
		parts = append(parts, message)
	}
	return strings.Join(parts, ", ")
}

// result as YAML; nothing where there is none.
func runResult(r *api.RunResult) string {
	if r == nil {
		return ""
	}
	return cli.FormatYAML(r.Value)
}
