package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/function"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// GoTemplateEngine is the default: placeholders, and Go template actions with a safe part of sprig.
func GoTemplateEngine() Engine { return goTemplateEngine{} }

type goTemplateEngine struct{}

func (goTemplateEngine) Name() string { return DefaultEngine }

// manifestKey is the part of job_configuration that may be one text.
const manifestKey = "job_manifest"

func (goTemplateEngine) Compile(tree any, decl Declarations) (Program, error) {
	g := &goCompiler{program: &program{}, variables: decl.Variables, text: decl.Pointer + "/" + manifestKey}
	g.compiler.leaf = g.leaf
	g.program.root = g.compiler.compile(tree, decl.Pointer, 0)
	return g.program, g.compiler.problems.ErrorOrNil()
}

// goCompiler compiles the leaves of one tree.
type goCompiler struct {
	compiler  compiler
	program   *program
	variables []string
	text      string   // the pointer of a manifest that is one text
	functions []string // names, once they are needed
}

func (g *goCompiler) leaf(pointer, s string) node {
	if pointer == g.text {
		return g.manifest(pointer, s)
	}
	if !strings.Contains(s, "{{") {
		return literalNode{s}
	}
	if p := tooLarge(pointer, s); p != nil {
		return g.broken(pointer, problem.Problems{*p})
	}
	leaf := action.Scan(s, func(s string, start int) (action.Span, bool) {
		span, ok := placeholderAt(s, start)
		return action.Span{Start: span.start, End: span.end, Name: span.name}, ok
	})
	spans := make([]span, 0, len(leaf.Placeholders))
	for _, p := range leaf.Placeholders {
		spans = append(spans, span{start: p.Start, end: p.End, name: p.Name})
	}
	parts := splitLeaf(pointer, s, spans)
	references := referencesOf(parts)
	g.program.references = append(g.program.references, references...)
	if !leaf.HasActions {
		return placeholderLeaf(pointer, parts)
	}
	template, problems := g.compile(pointer, s, leaf.Source, leaf.Original, false)
	if len(problems) > 0 {
		return g.broken(pointer, problems)
	}
	return &actionLeaf{
		place:      place{pointer: pointer, source: s, original: leaf.Original},
		template:   template,
		references: references,
	}
}

// maxLeaf and maxBraces bound a string before it is looked at more closely.
const (
	maxLeaf   = 512 << 10
	maxBraces = 20_000
)

func tooLarge(pointer, s string) *problem.Problem {
	if braces := strings.Count(s, "{{"); len(s) > maxLeaf || braces > maxBraces {
		p := problem.Errorf(problem.CodeLimit, pointer,
			"the string has %d bytes and %d actions; the limits are %d and %d", len(s),
			braces, maxLeaf, maxBraces)
		return &p
	}
	return nil
}

func (g *goCompiler) manifest(pointer, s string) node {
	same := func(offset int) int { return offset }
	template, problems := g.compile(pointer, s, s, same, true)
	if len(problems) > 0 {
		return g.broken(pointer, problems)
	}
	return &textManifest{place: place{pointer: pointer, source: s, original: same}, template: template}
}

func (g *goCompiler) broken(pointer string, problems problem.Problems) node {
	g.compiler.report(problems)
	return brokenNode{pointer, problems}
}

// compile compiles actions, says what is wrong with them, and notes what they refer to.
func (g *goCompiler) compile(
	pointer, original, source string, position func(int) int, text bool,
) (*action.Template, problem.Problems) {
	template, issues := action.Compile(source, action.Options{Text: text, Variables: g.variables})
	at := place{pointer: pointer, source: original, original: position}
	var problems problem.Problems
	for _, issue := range issues[:min(len(issues), problem.MaxProblems)] {
		p := problem.Errorf(issueCode(issue.Code), pointer, "%s", issue.Message)
		p.Suggestion = issue.Suggestion
		at.put(&p, issue)
		if p.Code == problem.CodeFunction && p.Suggestion == "" {
			p = p.SuggestNearest(quoted(issue.Message), g.functionNames())
		}
		problems = append(problems, p)
	}
	if template == nil {
		return nil, problems
	}
	for _, field := range template.Fields() {
		g.program.references = append(g.program.references,
			fieldReference(field).at(pointer, original, position(field.Offset)))
	}
	return template, problems
}

func issueCode(code action.IssueCode) string {
	switch code {
	case action.IssueFunction:
		return problem.CodeFunction
	case action.IssueLimit:
		return problem.CodeLimit
	default:
		return problem.CodeSyntax
	}
}

// quoted returns the first quoted name of a message.
func quoted(message string) string {
	_, rest, _ := strings.Cut(message, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// functionNames are what an unknown function is compared with.
func (g *goCompiler) functionNames() []string {
	if g.functions == nil {
		for _, f := range function.All() {
			g.functions = append(g.functions, f.Name)
		}
	}
	return g.functions
}

func fieldReference(field action.Field) Reference {
	if len(field.Path) == 0 {
		return Reference{Kind: ReferenceAll, Name: ".", Action: true}
	}
	r := Reference{
		Kind:   ReferenceVariable,
		Name:   "." + strings.Join(field.Path, "."),
		Action: true,
		root:   field.Path[0],
		path:   field.Path[1:],
	}
	if r.root == ContextRoot {
		r.Kind = ReferenceContext
	}
	return r
}

// place turns offsets of a compiled source into places of a template.
type place struct {
	pointer  string
	source   string
	original func(offset int) int
}

func (at *place) put(p *problem.Problem, issue action.Issue) {
	switch {
	case issue.Line > 0:
		p.Line, p.Column = issue.Line, 1
		p.Excerpt = problem.Excerpt(at.source, issue.Line)
		if i := strings.Index(p.Excerpt, "{{"); i >= 0 {
			_, p.Column = value.Position(p.Excerpt, i)
		}
	default:
		p.SetPlace(at.source, at.original(issue.Offset))
	}
}

// problems gives an error of an execution its place.
func (at *place) problems(err error) error {
	var problems problem.Problems
	if errors.As(err, &problems) {
		return problems
	}
	code := problem.CodeRender
	var limit *LimitError
	if errors.As(err, &limit) {
		code = problem.CodeLimit
	}
	p := problem.Errorf(code, at.pointer, "%v", err)
	var placed *action.EvalError
	if errors.As(err, &placed) {
		p.SetPlace(at.source, at.original(placed.Offset))
	}
	return problem.Problems{p}
}

// environment is what the actions of one leaf are executed with.
func (at *place) environment(r *render, references []Reference) *action.Env {
	return &action.Env{
		Variables: r.values.Variables, Context: r.values.Context, Budget: r.budget,
		Now: r.values.Now, Seed: r.values.Seed, Place: at.pointer,
		Placeholder: func(i int) (any, error) {
			text, err := referenceText(&references[i], r.values)
			return text, err
		},
	}
}

// actionLeaf is a leaf with at least one action. A single action keeps the type of what it evaluates to.
type actionLeaf struct {
	place
	template   *action.Template
	references []Reference
}

func (l *actionLeaf) render(r *render) (any, bool) {
	env := l.environment(r, l.references)
	if !l.template.IsValue() {
		text, err := l.template.Text(env)
		if err != nil {
			r.fail(l.pointer, l.problems(err))
			return nil, false
		}
		return text, true
	}
	v, err := l.template.Value(env)
	if err == nil {
		if _, none := v.(value.Absent); none {
			return nil, false
		}
		v, err = outputCopy(r.budget, v)
	}
	if err != nil {
		r.fail(l.pointer, l.problems(err))
		return nil, false
	}
	return v, true
}

// textManifest is a job_manifest that is one text: rendered, then read as strict YAML.
type textManifest struct {
	place
	template *action.Template
}

// maxManifestText bounds the YAML that a text manifest renders to: reading it takes a multiple of that.
const maxManifestText = 256 << 10

func (t *textManifest) render(r *render) (any, bool) {
	text, err := t.template.Text(t.environment(r, nil))
	if err != nil {
		r.fail(t.pointer, t.problems(err))
		return nil, false
	}
	if len(text) > maxManifestText {
		r.fail(t.pointer, &LimitError{Limit: "output", Max: maxManifestText, What: "text manifest"})
		return nil, false
	}
	if err := r.budget.Spend(int64(len(text)) >> 2); err != nil {
		r.fail(t.pointer, err)
		return nil, false
	}
	v, err := value.DecodeYAML([]byte(text))
	if err != nil {
		r.fail(t.pointer, renderedYAML(t.pointer, text, err))
		return nil, false
	}
	return v, true
}

// aroundFault is how many lines before and after a fault are shown.
const aroundFault = 3

// surroundings shows the lines around one, with their numbers and a mark at the line itself.
func surroundings(text string, line int) string {
	last := strings.Count(text, "\n") + 1
	var b strings.Builder
	for n := max(1, line-aroundFault); n <= min(last, line+aroundFault); n++ {
		mark := ' '
		if n == line {
			mark = '>'
		}
		fmt.Fprintf(&b, "\n%c %3d | %s", mark, n, strings.TrimRight(problem.Excerpt(text, n), " \t"))
	}
	return b.String()
}

// renderedYAML says what is wrong with rendered YAML, and shows the rendered text around it: the source does not
// have it.
func renderedYAML(pointer, text string, err error) error {
	p := problem.Errorf(problem.CodeSyntax, pointer, "rendered manifest: %v", err)
	var syntax *value.SyntaxError
	if errors.As(err, &syntax) && syntax.Line > 0 {
		p.Message += surroundings(text, syntax.Line)
		p.Pointer += syntax.Pointer
	}
	return problem.Problems{p}
}
