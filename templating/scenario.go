package templating

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// scenario is what a template is rendered with beside its defaults.
type scenario struct {
	// label says it in a message; the defaults alone have none.
	label string
	vars  map[string]any
	// invented: the value stands for any that a run may give. What it shows is only certain where no other value could
	// make it right.
	invented bool
}

// scenarios are the examples of the whole schema, and then each variable with each of its alternatives.
func (c *Compiled) scenarios() iter.Seq[scenario] {
	return func(yield func(scenario) bool) {
		for i, example := range examplesIn(c.source) {
			vars, ok := example.(map[string]any)
			if ok && len(c.checkPart(vars)) == 0 &&
				!yield(scenario{label: fmt.Sprintf("example %d of variables", i+1), vars: vars}) {
				return
			}
		}
		for _, s := range c.inventions() {
			if !yield(s) {
				return
			}
		}
		for _, name := range value.SortedKeys(c.properties) {
			if _, frozen := c.frozen[name]; frozen {
				continue
			}
			for _, v := range c.alternatives(name) {
				if !yield(scenario{label: name + " = " + problem.QuoteJSON(v), vars: map[string]any{name: v}}) {
					return
				}
			}
		}
	}
}

// inventions give a value to each variable, or to each part of one that the template reads, for which there is none by
// default: the fields that take it are in no Job without.
func (c *Compiled) inventions() []scenario {
	paths := map[string][][]string{}
	for _, r := range c.references {
		if r.Kind == ReferenceVariable {
			paths[r.Root()] = append(paths[r.Root()], r.Path())
		}
	}
	var scenarios []scenario
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		_, declared := c.properties[name]
		if _, frozen := c.frozen[name]; frozen || !declared {
			continue
		}
		v := c.defaults[name]
		missing := v == nil && !slices.Contains(c.required, name) && len(c.alternatives(name)) == 0
		if v == nil {
			v = c.sample(name)
		}
		for _, path := range paths[name] {
			if _, there := value.Walk(v, path); !there {
				v, missing = c.withPart(v, c.property(name), path), true
			}
		}
		if missing {
			scenarios = append(scenarios, scenario{
				label: "a value for " + name, vars: map[string]any{name: v}, invented: true,
			})
		}
	}
	return scenarios
}

// withPart returns an object with a sample at a path; what is there beside it stays.
func (c *Compiled) withPart(v any, schema map[string]any, path []string) any {
	if len(path) == 0 {
		return c.sampleOf(schema, 0)
	}
	before, _ := v.(map[string]any)
	object := maps.Clone(before)
	if object == nil {
		object = map[string]any{}
	}
	properties, _ := schema["properties"].(map[string]any)
	property, _ := properties[path[0]].(map[string]any)
	object[path[0]] = c.withPart(object[path[0]], c.follow(property), path[1:])
	return object
}

// alternatives are the values that a variable is worth trying with: its examples, and each value of an enum
// or a boolean, as far as a lint goes.
func (c *Compiled) alternatives(name string) []any {
	property := c.property(name)
	var values []any
	for _, keyword := range []string{"examples", "enum"} {
		list, _ := property[keyword].([]any)
		values = append(values, list...)
	}
	if property["type"] == "boolean" {
		values = append(values, true, false)
	}
	var distinct []any
	for _, v := range values[:min(len(values), maxScenarios)] {
		if v != nil && !containsValue(distinct, v) && !value.Equal(v, c.defaults[name]) &&
			len(c.checkPart(map[string]any{name: v})) == 0 {
			distinct = append(distinct, v)
		}
	}
	return distinct
}

func containsValue(list []any, v any) bool {
	for _, item := range list {
		if value.Equal(item, v) {
			return true
		}
	}
	return false
}

// badExamples warns of examples that their own schema rejects: a user who copies one gets an error.
func (c *Compiled) badExamples() Problems {
	var problems Problems
	judge := func(pointer string, vars map[string]any) {
		if found := c.checkPart(vars); len(found) > 0 && len(problems) < problem.MaxProblems {
			problems = append(
				problems,
				problem.Warningf(CodeSchema, pointer, "the schema rejects this example: %s",
					found[0].Message),
			)
		}
	}
	for i, example := range examplesIn(c.source) {
		if vars, ok := example.(map[string]any); ok {
			judge("/variables/examples/"+strconv.Itoa(i), vars)
		}
	}
	for _, name := range value.SortedKeys(c.properties) {
		property, _ := c.properties[name].(map[string]any) // true and false have no examples
		for i, example := range examplesIn(property) {
			judge(value.Pointer("/variables/properties", name)+"/examples/"+strconv.Itoa(i),
				map[string]any{name: example})
		}
	}
	return problems
}

// examplesIn reads the examples of a schema, as far as a lint goes.
func examplesIn(schema map[string]any) []any {
	examples, _ := schema["examples"].([]any)
	return examples[:min(len(examples), maxScenarios)]
}

// checkingCost is about how many steps of a render it takes to judge what it made.
func checkingCost(v any) int64 {
	switch v := v.(type) {
	case map[string]any:
		cost := int64(checkingNode)
		for _, item := range v {
			cost += checkingCost(item)
		}
		return cost
	case []any:
		cost := int64(checkingNode)
		for _, item := range v {
			cost += checkingCost(item)
		}
		return cost
	case string:
		return checkingNode + int64(len(v))>>6
	default:
		return checkingNode
	}
}

const checkingNode = 4
