package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// sourceLimits bound the document that a text stands for, as the bodies of requests bound documents.
var sourceLimits = yamldoc.Limits{Nodes: 200_000, Bytes: 2 << 20}

// Sent is a template as it was sent: as text or as a document.
type Sent struct {
	Source   string
	Document json.RawMessage
	// Comment says what the version is for.
	Comment string
}

// IsZero reports whether no template was sent.
func (s Sent) IsZero() bool { return s.Source == "" && s.Document == nil }

// Report is what the linter says of a template that was sent. Findings about a text have their places in it.
type Report struct {
	Errors, Warnings []api.Finding
	// Document is what the text stands for; nil if it cannot be read or is no object.
	Document json.RawMessage
	// Checked is the template, if it has no errors.
	Checked *Checked

	summary string
	sent    string         // the text; empty for a document
	located *locate.Source // of the text, once something was to be found in it
}

// Locate sets the places in the text of findings about the template.
func (r *Report) Locate(findings []api.Finding) []api.Finding {
	if r.sent == "" || len(findings) == 0 {
		return findings
	}
	return finding.InSource(r.Located(), findings)
}

// Located is the text that was sent, for whoever looks for places in it.
func (r *Report) Located() *locate.Source {
	if r.located == nil {
		r.located = locate.New([]byte(r.sent))
	}
	return r.located
}

// CheckSent is Check for a template that may be text.
func (c *Catalog) CheckSent(sent Sent) (*Checked, error) {
	report, err := c.Report(sent)
	if err != nil {
		return nil, err
	}
	if report.Checked == nil {
		return nil, &problem.Error{Code: problem.TemplateInvalid, Detail: report.summary, Findings: report.Errors}
	}
	return report.Checked, nil
}

// Report lints a template and refuses nothing but one that was sent both ways, or not at all.
func (c *Catalog) Report(sent Sent) (*Report, error) {
	if (sent.Source == "") == (sent.Document == nil) {
		return nil, problem.Newf(problem.InvalidBody, "send the template as text or as a document: one of them").
			At("", "send the text or the document")
	}
	report := &Report{Document: sent.Document, sent: sent.Source}
	if sent.Source != "" {
		var err error
		if report.Document, err = readSource(sent.Source); err != nil {
			return unreadable(err)
		}
	}
	compiled, linted := c.lint(report.Document)
	report.Errors = report.Locate(finding.FromProblems(linted.Errors))
	report.Warnings = report.Locate(finding.FromProblems(linted.Warnings))
	if len(linted.Errors) > 0 {
		report.summary = finding.Summary(linted.Errors)
		if !bytes.HasPrefix(bytes.TrimSpace(report.Document), []byte("{")) {
			report.Document = nil
		}
		return report, nil
	}
	doc := store.TemplateDocument{
		Source: sent.Source, Comment: sent.Comment, StoredNames: compiled.StoredReferences(), Reaches: reaches(linted),
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, report.Document); err != nil {
		return nil, fmt.Errorf("compact the template: %w", err)
	}
	doc.Document = compact.Bytes()
	report.Checked = &Checked{Doc: doc, Compiled: compiled, Warnings: report.Warnings}
	return report, nil
}

// unreadable reports a text that is no YAML.
func unreadable(err error) (*Report, error) {
	var invalid *yamldoc.Error
	if !errors.As(err, &invalid) {
		return nil, err
	}
	found := api.Finding{Message: invalid.Message}
	if invalid.Line > 0 {
		found.Place = finding.SourcePlace(locate.Place{Line: invalid.Line, Column: max(1, invalid.Column), Length: 1})
	}
	return &Report{Errors: []api.Finding{found}, Warnings: []api.Finding{}, summary: invalid.Error()}, nil
}

// readSource reads the text of a template as a document.
func readSource(source string) (json.RawMessage, error) {
	// Each value of YAML needs one of these before or after it, so that they bound what the reader of YAML builds.
	separators := 0
	for _, separator := range []string{"\n", ",", ":", "[", "{", "- "} {
		separators += strings.Count(source, separator)
	}
	if separators > sourceLimits.Nodes {
		return nil, &yamldoc.Error{Message: "too many values"}
	}
	value, err := yamldoc.ParseWithin([]byte(source), sourceLimits)
	if err != nil {
		return nil, err
	}
	return value.MarshalJSON()
}

// SourceOf is the text of a version for people: the one that was saved, or else the document as YAML.
func SourceOf(saved string, document json.RawMessage) (string, error) {
	if saved != "" {
		return saved, nil
	}
	text, err := yamldoc.FromJSON(document)
	return string(text), err
}
