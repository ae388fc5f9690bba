package templatefile

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// PrintDryRun shows a preview and what the clusters said of it.
func (f File) PrintDryRun(format cli.Format, answer api.TemplateDryRun) error {
	if format != cli.Table {
		if err := f.App.PrintDocument(format, answer); err != nil {
			return err
		}
		return DryRunResult(answer)
	}
	if err := f.PrintPreview(format, answer.Preview); err != nil {
		return err
	}
	for _, line := range DryRunLines(f.App.Style(f.App.Err), answer) {
		f.App.Notef("%s", line)
	}
	return DryRunResult(answer)
}

// LintOnCluster is the findings about a template, with what the clusters say of the Job that it makes of its defaults.
type LintOnCluster struct {
	api.LintReport
	OnCluster api.TemplateDryRun `json:"on_cluster"`
}

// PrintLintOnCluster prints findings that have no errors among them, and what the clusters said.
func (f File) PrintLintOnCluster(format cli.Format, report LintOnCluster) error {
	if format != cli.Table {
		if err := f.App.PrintDocument(format, report); err != nil {
			return err
		}
		return DryRunResult(report.OnCluster)
	}
	if err := f.PrintLint(format, report.LintReport); err != nil {
		return err
	}
	style := f.App.Style(f.App.Out)
	lines := f.texts(style, report.OnCluster.Preview.Errors, templating.SeverityError)
	for _, line := range append(lines, DryRunLines(style, report.OnCluster)...) {
		if err := f.App.Printf("%s\n", line); err != nil {
			return err
		}
	}
	return DryRunResult(report.OnCluster)
}

// DryRunResult tells a refusal from a question without an answer.
func DryRunResult(answer api.TemplateDryRun) error {
	switch answer.Outcome {
	case api.TemplateDryRunOutcomeAccepted:
		return nil
	case api.TemplateDryRunOutcomeRefused:
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	return &cli.SilentError{Code: cli.ExitUnanswered}
}

// DryRunLines are what the clusters said, for people.
func DryRunLines(style cli.Style, answer api.TemplateDryRun) []string {
	var lines []string
	if answer.Message != nil {
		lines = append(lines, style.Failure("not asked:")+" "+*answer.Message)
	}
	for _, c := range answer.Clusters {
		about := []string{}
		if c.Worker != "" {
			about = append(about, "worker "+c.Worker)
		}
		if namespace := cli.Text(c.Namespace); namespace != "" {
			about = append(about, "namespace "+namespace)
		}
		line := "cluster " + c.ClusterID
		if len(about) > 0 {
			line += " (" + strings.Join(about, ", ") + ")"
		}
		line += ": " + outcome(style, c.Outcome)
		if c.Message != nil {
			line += ": " + *c.Message
		}
		lines = append(lines, line)
		for _, o := range c.Objects {
			lines = append(lines, objectLines(style, o)...)
		}
	}
	return lines
}

func objectLines(style cli.Style, o api.ObjectDryRun) []string {
	line := fmt.Sprintf("  %s %s", o.Kind, outcome(style, o.Outcome))
	if o.Message != nil {
		line += ": " + *o.Message
	}
	lines := []string{line}
	for _, w := range o.Warnings {
		lines = append(lines, "    "+style.Active("warning:")+" "+w)
	}
	for _, c := range o.Changes {
		lines = append(lines, "    "+changeLine(c))
	}
	if o.Defaults != nil {
		lines = append(lines, "    "+style.Dim(fmt.Sprintf("fields with the default of the Kubernetes API: %d", *o.Defaults)))
	}
	return lines
}

func changeLine(c api.DocumentChange) string {
	switch c.Kind {
	case api.Added:
		return fmt.Sprintf("+ %s: %s", c.Pointer, c.After)
	case api.Removed:
		return fmt.Sprintf("- %s: %s", c.Pointer, c.Before)
	}
	return fmt.Sprintf("~ %s: %s instead of %s", c.Pointer, c.After, c.Before)
}

func outcome(style cli.Style, o api.DryRunOutcome) string {
	switch o {
	case api.DryRunOutcomeAccepted:
		return style.Success(string(o))
	case api.DryRunOutcomeSkipped:
		return style.Dim(string(o))
	case api.DryRunOutcomeForbidden:
		return style.Active(string(o))
	}
	return style.Failure(string(o))
}
