package templating

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/schema"
	"github.com/berth-dev/berth/templating/internal/value"
)

// ValidateDeployment checks the job variables of a deployment: what is given, nothing is required yet.
// References to stored variables are taken as the text they are.
func (c *Compiled) ValidateDeployment(vars map[string]any) (warnings []Problem, err error) {
	m := &merging{}
	level := m.read("job variables", vars)
	m.checkFrozen(level, c.frozenValues, "the template")
	problems := append(m.problems, referencesIn(level)...)
	problems = append(problems, c.checkPart(level)...)
	return c.judge(problems, c.unknown(level))
}

// ValidateRun checks everything about the job variables of a run: what both levels give, what is required,
// what is frozen. Stored variables are resolved first.
func (c *Compiled) ValidateRun(l Layers, stored map[string]any) (warnings []Problem, err error) {
	return c.validateMerged(c.merge(l, stored, nil))
}

// ValidationSteps is the work of a ValidateRun: how often the schema of the variables and its parts are applied
// to the values.
func (c *Compiled) ValidationSteps(l Layers, stored map[string]any) int {
	merged, _ := c.merge(l, stored, nil)
	if c.schema == nil {
		return 0
	}
	return c.schema.Steps(merged.all())
}

// RenderRun is ValidateRun followed by Render, with the levels merged once.
func (c *Compiled) RenderRun(ctx context.Context, in Input) (*Rendered, error) {
	merged, problems := c.merge(in.Layers, in.Stored, &in.Context)
	warnings, err := c.validateMerged(merged, problems)
	if err != nil {
		return nil, err
	}
	rendered, err := c.renderMerged(ctx, in, merged)
	if err != nil {
		return nil, err
	}
	rendered.Warnings = warnings
	return rendered, nil
}

func (c *Compiled) validateMerged(merged merged, problems Problems) (warnings []Problem, err error) {
	effective := merged.all()
	problems = append(problems, c.concealing(merged.stored).check(effective)...)
	for _, name := range c.required {
		if _, ok := effective[name]; !ok {
			problems = append(
				problems,
				problem.Errorf(CodeRequired, value.Pointer("", name),
					"variable %s is required and has no value", problem.Quote(name)),
			)
		}
	}
	return c.judge(problems, c.unknown(effective))
}

// judge sorts problems into warnings and one error, in the order of their places.
func (c *Compiled) judge(lists ...Problems) (warnings []Problem, err error) {
	all := slices.Concat(lists...)
	if len(all) == 0 {
		return nil, nil
	}
	var problems Problems
	seen := map[Problem]bool{}
	for _, p := range all {
		switch {
		case p.Severity == SeverityWarning:
			warnings = append(warnings, p)
		case !seen[p]:
			seen[p] = true
			problems = append(problems, p)
		}
	}
	slices.SortStableFunc(problems, problem.Compare)
	return warnings, problems.ErrorOrNil()
}

// Schema is a compiled JSON Schema (draft 2020-12 unless it names another): immutable, shared by all
// goroutines.
type Schema = schema.Schema

// SchemaBudget is what the validations of the values of one request may take together. The zero value is a full one.
type SchemaBudget = schema.Budget

// CompileSchema compiles a schema of job variables or of the parameters of a deployment. A schema that is not
// well formed, or with a $ref to another document, gives Problems whose pointers start at the schema.
func CompileSchema(doc any) (*Schema, error) { return schema.Compile(doc) }
