// Package filters is a template engine to copy from: placeholders as everywhere, and filters on them, as in
//
//	image: "{{ registry | lower }}/{{ name | lower | slug }}"
//	replicas: "{{ shards | length }}"
//
// An engine decides what a string means, nothing else. templating.CompileTree walks the tree, loses the keys
// of what has no value, bounds and copies results; templating.ParseReference makes a name mean here what it
// means in every engine; enginetest holds the engine to what all share.
package filters

import (
	"errors"
	"regexp"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// Engine returns the engine. Register it beside, or instead of, the built-in engines:
//
//	engines, err := templating.NewRegistry(templating.GoTemplateEngine(), templating.PlaceholderEngine(), filters.Engine())
func Engine() templating.Engine { return engine{} }

type engine struct{}

// Name is what a template writes as its engine.
func (engine) Name() string { return "filters" }

// Compile prepares a tree, once for all renders.
func (engine) Compile(tree any, decl templating.Declarations) (templating.Program, error) {
	return templating.CompileTree(tree, decl, compileLeaf)
}

// expression is a name with at least one filter; a placeholder without one is left to CompilePlaceholders.
var expression = regexp.MustCompile(
	`\{\{[\s\p{Z}]*([\pL\pN_.$\[\]-]+)[\s\p{Z}]*((?:\|[\s\p{Z}]*\w+[\s\p{Z}]*)*)\}\}`)

// compileLeaf cuts a string into text and expressions.
func compileLeaf(pointer, s string) (templating.Leaf, []templating.Reference, error) {
	if !strings.Contains(s, "|") {
		return templating.CompilePlaceholders(pointer, s)
	}
	var l leaf
	var problems templating.Problems
	from := 0
	for _, m := range expression.FindAllStringSubmatchIndex(s, -1) {
		l.parts = append(l.parts, part{text: s[from:m[0]]})
		p := part{reference: templating.ParseReference(s[m[2]:m[3]]).At(pointer, s, m[0]), isReference: true}
		for _, name := range strings.Split(s[m[4]:m[5]], "|")[1:] {
			name = strings.TrimSpace(name)
			apply, ok := filterNamed(name)
			if !ok {
				at := m[4] + strings.Index(s[m[4]:m[5]], name)
				problem := templating.ProblemAt(templating.CodeFunction, pointer, s, at,
					"there is no filter %q", name)
				if near := templating.Nearest(name, filterNames()); near != "" {
					problem.Suggestion = "did you mean " + near + "?"
				}
				problems = append(problems, problem)
				continue
			}
			p.filters = append(p.filters, apply)
		}
		l.parts = append(l.parts, p)
		from = m[1]
	}
	l.parts = append(l.parts, part{text: s[from:]})
	l.whole = len(l.parts) == 3 && l.parts[0].text == "" && l.parts[2].text == ""
	if len(problems) > 0 {
		return nil, l.references(), problems
	}
	return l, l.references(), nil
}

// part is text, or a reference with its filters.
type part struct {
	text        string
	isReference bool
	reference   templating.Reference
	filters     []filter
}

// leaf is a compiled string. Where it is one expression with nothing around it, the type of its result stays.
type leaf struct {
	parts []part
	whole bool
}

func (l leaf) references() []templating.Reference {
	var references []templating.Reference
	for _, p := range l.parts {
		if p.isReference {
			references = append(references, p.reference)
		}
	}
	return references
}

// Render fills in values.
func (l leaf) Render(v *templating.Values, b *templating.Budget) (any, bool, error) {
	if l.whole {
		return l.parts[1].value(v, b)
	}
	var out strings.Builder
	for _, p := range l.parts {
		text, err := p.inText(v, b)
		if err == nil {
			// Piece by piece, as the whole may be far larger than what is allowed, and twice, as it is copied
			// while it grows.
			err = b.Alloc(2 * int64(len(text)))
		}
		if err != nil {
			return nil, false, err
		}
		out.WriteString(text)
	}
	return out.String(), true, nil
}

// value looks the reference up and applies the filters. What has no value has none after any filter either.
func (p part) value(v *templating.Values, b *templating.Budget) (any, bool, error) {
	result, ok, err := p.reference.Resolve(v)
	for _, apply := range p.filters {
		if err != nil || !ok {
			break
		}
		if err = pay(b, result); err == nil {
			result, err = apply(result)
		}
	}
	return result, ok, p.placed(err)
}

// pay pays for a filter before it runs, by the size of what it works on: a running function cannot be
// interrupted.
func pay(b *templating.Budget, v any) error {
	size, err := b.Measure(v)
	if err != nil {
		return err
	}
	return b.Alloc(2 * size.Bytes)
}

func (p part) inText(v *templating.Values, b *templating.Budget) (string, error) {
	if !p.isReference {
		return p.text, nil
	}
	if len(p.filters) == 0 {
		return p.reference.Text(v)
	}
	result, _, err := p.value(v, b)
	if err != nil {
		return "", err
	}
	text, ok := templating.Text(result)
	if !ok {
		return "", p.placed(errNotText)
	}
	return text, nil
}

// placed gives an error of a filter the place of its expression; what has a place keeps it.
func (p part) placed(err error) error {
	var failure filterError
	if errors.As(err, &failure) {
		return templating.Problems{
			p.reference.Problem(templating.CodeType, "%s: %s", p.reference.Name, failure),
		}
	}
	return err
}
