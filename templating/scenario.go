package templating

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// scenario is what a template is rendered with beside its defaults.
type scenario struct {
	// label says it in a message; the defaults alone have none.
	label string
	vars  map[string]any
}

// scenarios are the examples of the whole schema, and then each variable with each of its alternatives.
func (c *Compiled) scenarios() iter.Seq[scenario] {
	return func(yield func(scenario) bool) {
		for i, example := range examplesIn(c.source) {
			vars, ok := example.(map[string]any)
			if ok && len(c.checkPart(vars)) == 0 &&
				!yield(scenario{fmt.Sprintf("example %d of variables", i+1), vars}) {
				return
			}
		}
		for _, name := range value.SortedKeys(c.properties) {
			if _, frozen := c.frozen[name]; frozen {
				continue
			}
			for _, v := range c.alternatives(name) {
				if !yield(scenario{name + " = " + problem.QuoteJSON(v), map[string]any{name: v}}) {
					return
				}
			}
		}
	}
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
