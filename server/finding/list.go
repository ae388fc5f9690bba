package finding

import (
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating"
)

// maxFindings bounds an answer. The rest shows when the first ones are corrected.
const maxFindings = 200

// List collects everything that is wrong with a document, so that one answer names all of it. The zero value
// is an empty list.
type List struct {
	code     problem.Code
	findings []api.Finding
}

// Add adds findings about the value at a place.
//
// The list has the code of its findings as long as they agree and the code says what is wrong with a
// document. Otherwise it is problem.ApplyInvalid: a code such as not-found is about the request, not about
// the document.
func (l *List) Add(code problem.Code, at string, findings []api.Finding) {
	if len(findings) == 0 {
		return
	}
	if !AboutValues(code) || l.code != "" && l.code != code {
		code = problem.ApplyInvalid
	}
	l.code = code
	l.findings = append(l.findings, Under(findings, at)...)
}

// Addf adds one finding with a formatted message.
func (l *List) Addf(code problem.Code, at, format string, args ...any) {
	l.Add(code, "", problem.Newf(code, "").At(at, format, args...).Findings)
}

// AddProblems adds what templating says of the value at a place; nil adds nothing.
func (l *List) AddProblems(code problem.Code, at string, err error) {
	if err == nil {
		return
	}
	problems := templating.AsProblems(err)
	l.Add(CodeOf(code, problems), at, FromProblems(problems))
}

// Empty reports whether nothing is wrong so far.
func (l *List) Empty() bool { return len(l.findings) == 0 }

// Len is how much has been found so far.
func (l *List) Len() int { return len(l.findings) }

// All reports whether every finding satisfies a condition.
func (l *List) All(condition func(api.Finding) bool) bool {
	return !slices.ContainsFunc(l.findings, func(f api.Finding) bool { return !condition(f) })
}

// Err returns the refusal with all findings, up to a bound, or nil when the list is empty.
func (l *List) Err() error { return l.ErrAs(l.code) }

// ErrAs is Err with another code than that of the findings.
func (l *List) ErrAs(code problem.Code) error {
	if l.Empty() {
		return nil
	}
	first := l.findings[0]
	return &problem.Error{
		Code:     code,
		Detail:   withMore(first.Pointer+": "+first.Message, len(l.findings)-1),
		Findings: l.findings[:min(len(l.findings), maxFindings)],
	}
}

// AboutValues reports whether a code says that a template, a value that fills it, or the Job of both is wrong.
func AboutValues(code problem.Code) bool {
	switch code {
	case problem.TemplateInvalid, problem.VariablesInvalid, problem.ParametersInvalid, problem.Frozen,
		problem.RuleDenied, problem.RuleInvalid:
		return true
	}
	return false
}
