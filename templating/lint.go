package templating

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/templating/internal/problem"
)

// JobCheck looks at a rendered template and says what is wrong with the Job that it makes; manifest.Check is
// the one for Jobs.
type JobCheck func(*Rendered) []Problem

// Report is everything there is to say about a template before it is saved.
type Report struct {
	Errors   []Problem `json:"errors"`
	Warnings []Problem `json:"warnings"`
	// Placeholders are the names that the template refers to, as they are written, sorted, each once.
	Placeholders []string `json:"placeholders"`
}

// Lint checks a template as a save does, and finds all problems at once. The template is rendered with its
// defaults, with each of the schema's examples and with each alternative of an enum or a boolean, and check
// judges every result; a nil check judges none.
func Lint(r *Registry, t *Template, check JobCheck) Report {
	compiled, err := r.Compile(t)
	l := &linter{seen: map[string]bool{}, check: check}
	for _, p := range AsProblems(err) {
		l.add(p)
		if strings.HasPrefix(p.Pointer, ConfigurationPointer) {
			l.broken = append(l.broken, p.Pointer)
		}
	}
	report := Report{Placeholders: []string{}}
	if compiled != nil {
		for _, p := range compiled.Warnings() {
			l.add(p)
		}
		report.Placeholders = placeholderNames(compiled.references)
		if check != nil && compiled.schema != nil {
			l.compiled = compiled
			l.scenarios()
		}
	}
	slices.SortStableFunc(l.errors, problem.Compare)
	slices.SortStableFunc(l.warnings, problem.Compare)
	report.Errors, report.Warnings = l.errors, l.warnings
	if report.Errors == nil {
		report.Errors = []Problem{}
	}
	if report.Warnings == nil {
		report.Warnings = []Problem{}
	}
	return report
}

func placeholderNames(references []Reference) []string {
	names := map[string]bool{}
	for _, r := range references {
		names[r.Name] = true
	}
	return sortedNames(names)
}

// maxScenarios bounds how many combinations of values one lint renders, and maxLintFuel how much work they
// may do in all.
const (
	maxScenarios = 200
	maxLintFuel  = 5_000_000
)

// maxReported bounds how many errors, and how many warnings, one lint reports.
const maxReported = 1000

// linter collects problems, each once.
type linter struct {
	compiled         *Compiled
	check            JobCheck
	seen             map[string]bool
	errors, warnings []Problem
	// broken are the places of job_configuration that are wrong whatever the values: what a render shows
	// there only follows from it.
	broken []string
	// samples are invented values: of required variables without a default, and of stored variables.
	samples map[string]any
	fuel    int64
}

func (l *linter) add(p Problem) {
	key := p.Pointer + "\x00" + p.Message
	if l.seen[key] {
		return
	}
	l.seen[key] = true
	list := &l.errors
	if p.Severity == SeverityWarning {
		list = &l.warnings
	}
	if len(*list) < maxReported {
		*list = append(*list, p)
	}
}

// scenarios renders the template with its defaults first, then with one value changed at a time.
func (l *linter) scenarios() {
	c := l.compiled
	for _, p := range c.badExamples() {
		l.add(p)
	}
	l.samples = c.Samples(Layers{})
	l.try(scenario{})
	tried := 1
	for s := range c.scenarios() {
		if tried++; tried > maxScenarios || l.fuel > maxLintFuel {
			l.add(
				problem.Warningf(
					CodeLimit,
					"/variables",
					"not every example and alternative was checked: there are too many, or rendering them takes too long",
				),
			)
			return
		}
		l.try(s)
	}
}

// try renders one scenario. What is only seen because a value was invented, or is not there yet, is a
// warning: a real value may make it right.
func (l *linter) try(s scenario) {
	vars := make(map[string]any, len(l.samples)+len(s.vars))
	maps.Copy(vars, l.samples)
	maps.Copy(vars, s.vars)
	base := s.label == ""
	for _, p := range l.render(vars) {
		if p.Code == CodeEnvironment || p.Code == CodeBlock {
			continue // what a template may refer to has been judged without rendering
		}
		if p.Severity == SeverityWarning && !base {
			continue // what is risky is said once, of the defaults
		}
		// A field that does not exist is wrong whatever stands in it.
		if p.Code != CodeUnknownField &&
			slices.ContainsFunc(l.broken, func(place string) bool { return isNear(p.Pointer, place) }) {
			continue
		}
		missing, tentative := l.isTentative(p, s)
		if s.invented && !l.stands(p, tentative) {
			continue
		}
		// A field that does not exist is wrong with any value.
		if !base && p.Severity == SeverityError && p.Code != CodeUnknownField {
			p.Message += " (with " + s.label + ")"
		}
		if tentative && p.Severity == SeverityError {
			p.Severity = SeverityWarning
			if missing != "" && p.Suggestion == "" {
				p.Suggestion = "the value comes from variable " + problem.Quote(
					missing) + ", which is not set yet"
			}
		}
		if !base && l.isRepeated(p) {
			continue
		}
		l.add(p)
	}
}

// stands is true for what an invented value shows and no other value could make right.
func (l *linter) stands(p Problem, tentative bool) bool {
	return p.Code == CodeUnknownField || p.Code == CodeType && !tentative
}

// isRepeated is true for a problem that the defaults show as well.
func (l *linter) isRepeated(p Problem) bool {
	plain, _, _ := strings.Cut(p.Message, " (with ")
	return l.seen[p.Pointer+"\x00"+plain]
}

func (l *linter) render(vars map[string]any) []Problem {
	stored := map[string]any{}
	for _, name := range l.compiled.StoredReferences() {
		stored[name] = "sample"
	}
	env := map[string]string{}
	for _, name := range l.compiled.templateEnv {
		env[name] = "sample"
	}
	rendered, err := l.compiled.render(context.Background(), Input{
		Layers: Layers{Run: vars}, Stored: stored, Env: env, Context: sampleContext(),
	})
	problems := AsProblems(err)
	if rendered == nil {
		l.fuel += DefaultLimits().Fuel // it may have used all
		return problems
	}
	l.fuel += rendered.Used.Fuel + checkingCost(rendered.Configuration)
	for _, p := range l.check(rendered) {
		// What is missing because it could not be rendered has been said already.
		if p.Code == CodeUnknownField ||
			!slices.ContainsFunc(
				problems, func(said Problem) bool { return isNear(p.Pointer, said.Pointer) },
			) {
			problems = append(problems, p)
		}
	}
	return problems
}

// sampleContext is a run as it could be.
func sampleContext() Context {
	name := NameContext{Name: "sample"}
	return Context{
		Run: RunContext{
			ID: "00000000-0000-7000-8000-000000000000", Name: "sample", Attempt: 1, Tags: []string{},
			ScheduledTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Parameters: map[string]any{},
		},
		Deployment: DeploymentContext{
			ID:      "00000000-0000-7000-8000-000000000001",
			Name:    "sample",
			Version: "1",
		},
		Pool: name, Queue: name, Worker: name,
	}
}

// isTentative says whether a problem stands where a value is invented or missing, so that it need not be
// there with a real value, and which variable that is.
func (l *linter) isTentative(p Problem, s scenario) (variable string, tentative bool) {
	if p.Code == CodeUnknownField {
		return "", false
	}
	for _, r := range l.compiled.references {
		if !isNear(p.Pointer, r.Pointer) {
			continue
		}
		switch r.Kind {
		case ReferenceStored, ReferenceContext, ReferenceEnvironment:
			return "", true
		case ReferenceVariable:
			_, hasDefault := l.compiled.defaults[r.Root()]
			_, isFrozen := l.compiled.frozen[r.Root()]
			_, isGiven := s.vars[r.Root()]
			if isGiven && s.invented || !hasDefault && !isFrozen && !isGiven {
				return r.Root(), !l.isDecided(p, r, s)
			}
		}
	}
	return "", false
}

// isDecided is true where no value that the schema takes could make it right: a variable that is required, or that the
// scenario invents, stands there as it is, and its declared type does not fit.
func (l *linter) isDecided(p Problem, r Reference, s scenario) bool {
	kind, one := l.compiled.property(r.Root())["type"].(string)
	return one && kind != typeNull && p.Code == CodeType && p.Pointer == r.Pointer && !r.Action &&
		len(r.Path()) == 0 &&
		(s.invented || slices.Contains(l.compiled.required, r.Root()))
}

// isNear says whether one place is the other, or inside it.
func isNear(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == len(b) || b[len(a)] == '/')
}
