package engine

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// PlaceholderEngine is the strict classic: placeholders and nothing else. Every other brace is text.
func PlaceholderEngine() Engine { return placeholderEngine{} }

type placeholderEngine struct{}

func (placeholderEngine) Name() string { return "placeholder" }

func (placeholderEngine) Compile(tree any, decl Declarations) (Program, error) {
	p := &program{}
	c := &compiler{}
	c.leaf = func(pointer, s string) node {
		parts := splitLeaf(pointer, s, findPlaceholders(s))
		p.references = append(p.references, referencesOf(parts)...)
		if warning := actionsAsText(pointer, s, parts); warning != nil &&
			len(c.problems) < problem.MaxProblems {
			c.problems = append(c.problems, *warning)
		}
		return placeholderLeaf(pointer, parts)
	}
	p.root = c.compile(tree, decl.Pointer, 0)
	return p, c.problems.ErrorOrNil()
}

// actionsAsText warns of what would be an action in the other engine: here it reaches the cluster as it
// stands.
func actionsAsText(pointer, s string, parts []part) *problem.Problem {
	offset := 0
	for _, part := range parts {
		if part.reference != nil {
			offset = part.reference.offset + strings.Index(s[part.reference.offset:], "}}") + 2
			continue
		}
		start := strings.Index(part.text, "{{")
		if start >= 0 && strings.Contains(part.text[start:], "}}") {
			p := problem.Warningf(problem.CodeSyntax, pointer,
				`not a placeholder, so it stays text: the engine "placeholder" has no actions`).
				Suggest("engine: " + DefaultEngine)
			p.SetPlace(s, offset+start)
			return &p
		}
		offset += len(part.text)
	}
	return nil
}

// part is a stretch of a leaf: text, or a reference.
type part struct {
	text      string
	reference *Reference
}

// splitLeaf cuts a leaf at its placeholders.
func splitLeaf(pointer, s string, spans []span) []part {
	var parts []part
	from := 0
	for _, span := range spans {
		if span.start > from {
			parts = append(parts, part{text: s[from:span.start]})
		}
		reference := ParseReference(span.name).at(pointer, s, span.start)
		parts = append(parts, part{reference: &reference})
		from = span.end
	}
	if from < len(s) {
		parts = append(parts, part{text: s[from:]})
	}
	return parts
}

func referencesOf(parts []part) []Reference {
	var references []Reference
	for _, part := range parts {
		if part.reference != nil {
			references = append(references, *part.reference)
		}
	}
	return references
}

// placeholderLeaf picks the node for a leaf without actions.
func placeholderLeaf(pointer string, parts []part) node {
	switch {
	case len(parts) == 0:
		return literalNode{""}
	case len(parts) == 1 && parts[0].reference == nil:
		return literalNode{parts[0].text}
	case len(parts) == 1:
		return whole{parts[0].reference}
	default:
		return &partial{pointer: pointer, parts: parts}
	}
}

// whole is a leaf that is exactly one placeholder: it becomes the value itself, type and all.
type whole struct{ reference *Reference }

func (w whole) render(r *render) (any, bool) {
	v, ok, err := w.reference.Resolve(r.values)
	if err == nil && ok {
		v, err = outputCopy(r.budget, v)
	}
	if err != nil {
		r.fail(w.reference.Pointer, err)
		return nil, false
	}
	return v, ok
}

// outputCopy pays for a value that becomes part of the result, and copies it, so that the result shares
// nothing.
func outputCopy(budget *value.Budget, v any) (any, error) {
	switch typed := v.(type) {
	case string:
		return v, budget.Output(int64(len(typed)))
	case map[string]any, []any:
		size, err := budget.Measure(v)
		if err != nil {
			return nil, err
		}
		if err := budget.Output(size.Bytes); err != nil {
			return nil, err
		}
		return value.Copy(v), nil
	default:
		return v, budget.Output(8)
	}
}

// partial is a leaf of text and placeholders: it is text.
type partial struct {
	pointer string
	parts   []part
}

func (p *partial) render(r *render) (any, bool) {
	var text strings.Builder
	for i := range p.parts {
		part := &p.parts[i]
		s, err := part.text, error(nil)
		if part.reference != nil {
			s, err = referenceText(part.reference, r.values)
		}
		if err == nil {
			err = r.budget.Output(int64(len(s)))
		}
		if err != nil {
			r.fail(p.pointer, err)
			return nil, false
		}
		text.WriteString(s)
	}
	return text.String(), true
}

// referenceText is the value of a reference inside text. No value is the empty string; an object or a list is
// an error.
func referenceText(reference *Reference, values *Values) (string, error) {
	v, _, err := reference.Resolve(values)
	if err != nil {
		return "", err
	}
	text, ok := value.Text(v)
	if !ok {
		p := reference.problem(problem.CodeType, "%s is %s and cannot be part of a longer string",
			reference.Name, value.Article(value.Kind(v)))
		p[0].Suggestion = "make the placeholder the whole value, without text around it"
		return "", p
	}
	return text, nil
}
