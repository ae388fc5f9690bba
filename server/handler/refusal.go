package handler

import (
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/template"
	"github.com/berth-dev/berth/templating"
)

// maxFindings bounds an answer; who has more to correct deploys again.
const maxFindings = 200

// refusal gathers everything that is wrong with what was described. Its code says what kind of thing is wrong
// where that is the same for all of it.
type refusal struct {
	code     problem.Code
	findings []api.Finding
}

// add takes over findings about what is at a place.
func (r *refusal) add(code problem.Code, at string, findings []api.Finding) {
	if len(findings) == 0 {
		return
	}
	switch code {
	case problem.TemplateInvalid, problem.VariablesInvalid, problem.ParametersInvalid, problem.Frozen:
	default:
		code = problem.ApplyInvalid // codes such as not-found are about what was asked for, not what is described
	}
	if r.code != "" && r.code != code {
		code = problem.ApplyInvalid
	}
	r.code = code
	r.findings = append(r.findings, moved(findings, at)...)
}

// say adds one finding.
func (r *refusal) say(code problem.Code, at, format string, args ...any) {
	r.add(code, "", problem.Newf(code, "").At(at, format, args...).Findings)
}

// problems adds what templating says of values.
func (r *refusal) problems(code problem.Code, at string, err error) {
	if err == nil {
		return
	}
	found := templating.AsProblems(err)
	r.add(codeOf(code, found), at, template.Findings(found))
}

func (r *refusal) errorOrNil() error {
	if len(r.findings) == 0 {
		return nil
	}
	detail := fmt.Sprintf("%s: %s", r.findings[0].Pointer, r.findings[0].Message)
	if more := len(r.findings) - 1; more > 0 {
		detail += fmt.Sprintf(" (and %d more)", more)
	}
	return &problem.Error{
		Code:     r.code,
		Detail:   detail,
		Findings: r.findings[:min(len(r.findings), maxFindings)],
	}
}

// moved puts findings below a place.
func moved(findings []api.Finding, at string) []api.Finding {
	below := make([]api.Finding, len(findings))
	for i, finding := range findings {
		finding.Pointer = at + finding.Pointer
		below[i] = finding
	}
	return below
}

// codeOf gives the override of a frozen value a code of its own.
func codeOf(code problem.Code, problems []templating.Problem) problem.Code {
	for _, p := range problems {
		if p.Code == templating.CodeFrozen {
			return problem.Frozen
		}
	}
	return code
}
