package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// templateFile is a template that somebody wrote: what the server finds in it is shown at its place in the
// file. Without a file it is one that the server has, whose places are pointers.
type templateFile struct {
	app      *cli.App
	document json.RawMessage
	source   *diagnostic.Source
}

// readTemplate reads the file of a template; nothing is read where none is named.
func readTemplate(app *cli.App, file string) (templateFile, error) {
	f := templateFile{app: app}
	if file == "" {
		return f, nil
	}
	data, err := app.ReadFile(file)
	if err != nil {
		return f, err
	}
	f.source = diagnostic.New(fileName(file), data)
	f.document, err = cli.Document(file, data)
	return f, err
}

// refused shows what the server has found in the template, where that is why it refused it.
func (f templateFile) refused(err error) error {
	var problem *cli.ProblemError
	if f.source == nil || !errors.As(err, &problem) || problem.Problem.Code != "template-invalid" ||
		problem.Problem.Errors == nil {
		return err
	}
	for _, text := range f.texts(f.app.Style(f.app.Err), *problem.Problem.Errors, templating.SeverityError) {
		f.app.Notef("%s", text)
	}
	f.app.Notef("%s", summary(f.app.Style(f.app.Err), len(*problem.Problem.Errors), 0))
	return &cli.SilentError{Code: problem.ExitCode()}
}

// note shows findings beside the output.
func (f templateFile) note(findings []api.Finding, severity templating.Severity) {
	for _, text := range f.texts(f.app.Style(f.app.Err), findings, severity) {
		f.app.Notef("%s", text)
	}
}

// texts are findings for people: those of the file with their lines, others in a line each.
func (f templateFile) texts(style cli.Style, findings []api.Finding, severity templating.Severity) []string {
	mark := style.Bad("error:")
	if severity == templating.SeverityWarning {
		mark = style.Busy("warning:")
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
	printer := diagnostic.Printer{Style: style, Width: f.app.Width(f.app.Err)}
	for _, l := range locate(f.source, "", problems, f.source.Locate) {
		texts = append(texts, printer.Print(f.source, l.Problem, l.place))
	}
	return texts
}

// requestMember is where requests that bring a template along have it.
const requestMember = "/document"

func inTemplate(pointer string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(pointer, requestMember), "/"), "/")
	for _, key := range templating.TopLevelKeys() {
		if root == key {
			return true
		}
	}
	return false
}

func problemOf(f api.Finding, severity templating.Severity) templating.Problem {
	p := templating.Problem{
		Severity: severity, Code: cli.Text(f.Code), Pointer: strings.TrimPrefix(f.Pointer, requestMember),
		Message: f.Message, Suggestion: cli.Text(f.Suggestion),
	}
	if f.Line != nil && f.Column != nil {
		p.Line, p.Column = int(*f.Line), int(*f.Column)
	}
	return p
}
