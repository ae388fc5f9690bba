package engine

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
)

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

// ResolveStored replaces the references to stored variables in a string. Every other placeholder stays the
// text it is, except a reference to a block, which is an error. ok is false for "no value".
func ResolveStored(pointer, s string, stored map[string]any) (v any, ok bool, problems problem.Problems) {
	var spans []span
	for _, span := range findPlaceholders(s) {
		if kind := ParseReference(span.name).Kind; kind == ReferenceStored || kind == ReferenceBlock {
			spans = append(spans, span)
		}
	}
	if len(spans) == 0 {
		return s, true, nil
	}

	parts := splitLeaf(pointer, s, spans)
	values := &Values{Stored: stored}
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
