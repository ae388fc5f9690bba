// Package templatefile reads base job templates from files and shows findings beside the lines that they are
// about.
package templatefile

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// PrintLint prints findings and fails where there are errors among them.
func (f File) PrintLint(format cli.Format, report api.LintReport) error {
	if format != cli.Table {
		if err := f.App.PrintDocument(format, report); err != nil {
			return err
		}
	} else {
		style := f.App.Style(f.App.Out)
		for _, text := range append(f.texts(style, report.Errors, templating.SeverityError), f.texts(style, report.Warnings, templating.SeverityWarning)...) {
			if err := f.App.Printf("%s\n", text); err != nil {
				return err
			}
		}
		if err := f.App.Printf("%s\n", Summary(style, len(report.Errors), len(report.Warnings))); err != nil {
			return err
		}
	}
	if len(report.Errors) > 0 {
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	return nil
}

func (f File) PrintPreview(format cli.Format, seen api.TemplatePreview) error {
	app := f.App
	style := app.Style(app.Err)
	f.PrintFindings(seen.Warnings, templating.SeverityWarning)
	f.PrintFindings(seen.Errors, templating.SeverityError)
	if string(seen.Invented) != "{}" && len(seen.Invented) > 0 {
		app.Notef("%s no value is set for %s; the preview uses an example value", style.Active("note:"),
			seen.Invented)
	}
	if len(seen.Errors) > 0 {
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	if format == cli.Table {
		format = cli.YAML
	}
	return app.PrintDocument(format, seen.Job)
}

// File is a template with its source, so that findings of the server are shown with the lines of the
// file. Without a file, findings are shown with JSON pointers.
type File struct {
	App      *cli.App
	Document json.RawMessage
	// Text is the file's, byte for byte.
	Text   string
	name   string
	source *locate.Source
}

// Read reads the file of a template; nothing is read where none is named.
func Read(app *cli.App, file string) (File, error) {
	f := File{App: app}
	if file == "" {
		return f, nil
	}
	data, err := app.ReadFile(file)
	if err != nil {
		return f, err
	}
	if !utf8.Valid(data) {
		return f, cli.Usagef("%s: a template is text in UTF-8", FileName(file))
	}
	f.Text, f.name, f.source = string(data), FileName(file), locate.New(data)
	f.Document, err = cli.ParseDocument(file, data)
	return f, err
}

// PrintRejection shows what the server has found in the template, where that is why it refused it.
func (f File) PrintRejection(err error) error {
	var problem *cli.ProblemError
	if f.source == nil || !errors.As(err, &problem) || problem.Problem.Code != "template-invalid" ||
		problem.Problem.Errors == nil {
		return err
	}
	for _, text := range f.texts(f.App.Style(f.App.Err), *problem.Problem.Errors, templating.SeverityError) {
		f.App.Notef("%s", text)
	}
	f.App.Notef("%s", Summary(f.App.Style(f.App.Err), len(*problem.Problem.Errors), 0))
	return &cli.SilentError{Code: problem.ExitCode()}
}

// PrintFindings shows findings beside the output.
func (f File) PrintFindings(findings []api.Finding, severity templating.Severity) {
	for _, text := range f.texts(f.App.Style(f.App.Err), findings, severity) {
		f.App.Notef("%s", text)
	}
}

// texts are findings for people: those of the file with their lines, others in a line each.
func (f File) texts(style cli.Style, findings []api.Finding, severity templating.Severity) []string {
	mark := style.Failure("error:")
	if severity == templating.SeverityWarning {
		mark = style.Active("warning:")
	}
	var texts []string
	var problems []templating.Problem
	for _, finding := range findings {
		if f.source != nil && inTemplate(finding.Pointer) {
			problems = append(problems, problemOf(finding, severity))
		} else {
			texts = append(texts, mark+" "+cli.FindingLine(finding))
		}
	}
	if len(problems) == 0 {
		return texts
	}
	printer := f.printer(style)
	for _, l := range Locate(f.source, "", problems, f.source.Locate) {
		texts = append(texts, printer.Print(l.Problem, l.Place))
	}
	return texts
}

func (f File) printer(style cli.Style) diagnostic.Printer {
	return diagnostic.Printer{Source: f.source, Name: f.name, Style: style, Width: f.App.Width(f.App.Err)}
}

// Warnings are what lint has to say of a template that the server took.
func (f File) Warnings() []templating.Problem {
	parsed, err := templating.Parse(f.Document)
	if f.Document == nil || err != nil {
		return nil
	}
	return manifest.Lint(templating.DefaultRegistry(), parsed, reference.Protected{}).Warnings
}

// PrintProblems shows problems of the file beside the output.
func (f File) PrintProblems(problems []templating.Problem) {
	style := f.App.Style(f.App.Err)
	printer := f.printer(style)
	for _, l := range Locate(f.source, "", problems, f.source.Locate) {
		f.App.Notef("%s", printer.Print(l.Problem, l.Place))
	}
}

// ofTemplate is the pointer into the template of one into a request that brings a template along.
func ofTemplate(pointer string) string {
	return strings.TrimPrefix(strings.TrimPrefix(pointer, "/document"), "/base_job_template")
}

func inTemplate(pointer string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(ofTemplate(pointer), "/"), "/")
	for _, key := range templating.TopLevelKeys() {
		if root == key {
			return true
		}
	}
	return false
}

func problemOf(f api.Finding, severity templating.Severity) templating.Problem {
	p := templating.Problem{
		Severity: severity, Code: cli.Text(f.Code), Pointer: ofTemplate(f.Pointer),
		Message: f.Message, Suggestion: cli.Text(f.Suggestion),
	}
	if f.Line != nil && f.Column != nil {
		p.Line, p.Column = int(*f.Line), int(*f.Column)
	}
	return p
}
