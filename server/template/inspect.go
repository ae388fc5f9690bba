package template

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/berth-dev/berth/templating"
)

type inspection struct {
	compiled         *templating.Compiled
	errors, warnings []templating.Problem
	placeholders     []string
}

// inspect finds all there is to say about a template.
func (l *Library) inspect(ctx context.Context, document json.RawMessage) inspection {
	found := inspection{placeholders: []string{}}
	parsed, err := templating.Parse(document)
	if err != nil {
		found.errors = templating.AsProblems(err)
		return found
	}
	found.compiled, err = l.registry.Compile(parsed)
	found.errors = templating.AsProblems(err)
	if found.compiled == nil {
		return found
	}
	found.warnings = found.compiled.Warnings()
	for _, reference := range found.compiled.References() {
		if !slices.Contains(found.placeholders, reference.Name) {
			found.placeholders = append(found.placeholders, reference.Name)
		}
	}
	slices.Sort(found.placeholders)
	return found
}
