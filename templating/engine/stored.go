package engine

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
)

// ValueSource is what the placeholders in values are filled in from.
type ValueSource struct {
	Stored map[string]any
	// Context is the run at hand, made when it is first needed; nil where there is none yet.
	Context func() (map[string]any, error)
}

// StoredNames returns the names of the stored variables that a string refers to.
func StoredNames(s string) []string {
	var names []string
	for _, span := range findPlaceholders(s) {
		if r := ParseReference(span.name); r.Kind == ReferenceStored {
			names = append(names, r.root)
		}
	}
	return names
}

// ValueReferences returns what the placeholders in a value name. Only those to stored variables are filled in.
func ValueReferences(s string) []Reference {
	var references []Reference
	for _, span := range findPlaceholders(s) {
		references = append(references, ParseReference(span.name))
	}
	return references
}

// ResolveValue replaces the references to stored variables in a string that is a value, and those to the run at
// hand where there is one. Every other placeholder stays the text it is, except a reference to a block, which is
// an error. ok is false for "no value".
func ResolveValue(pointer, s string, from ValueSource) (v any, ok bool, problems problem.Problems) {
	var spans []span
	values := &Values{Stored: from.Stored}
	for _, span := range findPlaceholders(s) {
		switch kind := ParseReference(span.name).Kind; {
		case kind == ReferenceStored || kind == ReferenceBlock:
			spans = append(spans, span)
		case kind == ReferenceContext && from.Context != nil:
			spans = append(spans, span)
			tree, err := from.Context()
			if err != nil {
				return nil, false, problem.AsProblems(err)
			}
			values.Context = tree
		}
	}
	if len(spans) == 0 {
		return s, true, nil
	}

	parts := splitLeaf(pointer, s, spans)
	if len(parts) == 1 {
		v, ok, err := parts[0].reference.Resolve(values)
		return v, ok, problem.AsProblems(err)
	}

	var text strings.Builder
	for _, part := range parts {
		if part.reference == nil {
			text.WriteString(part.text)
			continue
		}
		resolved, err := referenceText(part.reference, values)
		problems = append(problems, problem.AsProblems(err)...)
		text.WriteString(resolved)
	}
	return text.String(), true, problems
}
