// Package finding says what is wrong with a document, place by place: it turns the problems of package
// templating into the findings of the API, moves them below the place where a value was sent, and collects
// them until a request is accepted or refused.
package finding

import (
	"errors"
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
)

// FromProblems converts problems to findings. The list is never nil.
func FromProblems(problems []templating.Problem) []api.Finding {
	findings := make([]api.Finding, 0, len(problems))
	for _, p := range problems {
		finding := api.Finding{Pointer: p.Pointer, Code: &p.Code, Message: p.Message}
		if p.Line > 0 {
			line, column := int32(p.Line), int32(p.Column)
			finding.Line, finding.Column = &line, &column
		}
		if p.Suggestion != "" {
			finding.Suggestion = &p.Suggestion
		}
		findings = append(findings, finding)
	}
	return findings
}

// InSource sets the places of findings about a template that was sent as text.
func InSource(source *locate.Source, findings []api.Finding) []api.Finding {
	for i, f := range findings {
		p := templating.Problem{Pointer: f.Pointer, Code: valueOr(f.Code, "")}
		p.Line, p.Column = int(valueOr(f.Line, 0)), int(valueOr(f.Column, 0))
		if place := source.Locate(p); place.Line > 0 {
			findings[i].Place = SourcePlace(place)
		}
	}
	return findings
}

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// SourcePlace converts a place.
func SourcePlace(p locate.Place) *api.SourcePlace {
	return &api.SourcePlace{Line: int32(p.Line), Column: int32(p.Column), Length: int32(p.Length)}
}

// Under returns the findings with their pointers below at.
func Under(findings []api.Finding, at string) []api.Finding {
	moved := make([]api.Finding, len(findings))
	for i, finding := range findings {
		finding.Pointer = at + finding.Pointer
		moved[i] = finding
	}
	return moved
}

// ErrorUnder returns a refusal with its findings below at, and any other error unchanged.
func ErrorUnder(err error, at string) error {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		return err
	}
	moved := *refusal
	moved.Findings = Under(refusal.Findings, at)
	return &moved
}

// Refuse turns what templating says of the value at a place into a refusal; nil stays nil.
func Refuse(code problem.Code, at string, err error) error {
	if err == nil {
		return nil
	}
	problems := templating.AsProblems(err)
	findings := Under(FromProblems(problems), at)
	return &problem.Error{Code: CodeOf(code, problems), Detail: findings[0].Message, Findings: findings}
}

// CodeOf returns problem.Frozen where a frozen value was overridden, and otherwise code.
func CodeOf(code problem.Code, problems []templating.Problem) problem.Code {
	for _, p := range problems {
		if p.Code == templating.CodeFrozen {
			return problem.Frozen
		}
	}
	return code
}

// Summary is the first problem and the number of the others.
func Summary(problems []templating.Problem) string {
	return withMore(problems[0].String(), len(problems)-1)
}

func withMore(first string, more int) string {
	if more == 0 {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, more)
}
