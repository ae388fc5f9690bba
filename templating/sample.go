package templating

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/freeze"
	"github.com/berth-dev/berth/templating/internal/value"
)

// property returns the schema of a variable, with a local $ref followed.
func (c *Compiled) property(name string) map[string]any {
	property, _ := c.properties[name].(map[string]any)
	return c.follow(property)
}

// follow returns what the local $ref of a schema refers to, or the schema itself; nil where that is none.
func (c *Compiled) follow(schema map[string]any) map[string]any {
	for range 10 { // references may go in a circle
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		path, ok := strings.CutPrefix(ref, "#/")
		if !ok {
			return schema
		}
		target, _ := value.Walk(any(c.source), strings.Split(path, "/"))
		if schema, ok = target.(map[string]any); !ok {
			return nil
		}
	}
	return schema
}

// Samples are invented values for the required variables that neither the template nor a level sets: what a
// preview shows in their place.
func (c *Compiled) Samples(l Layers) map[string]any {
	samples := map[string]any{}
	for _, name := range c.required {
		if c.isSet(name, l) {
			continue
		}
		samples[name] = c.sample(name)
	}
	return samples
}

// isSet is true where a level, or a dotted key of one, gives the variable a value.
func (c *Compiled) isSet(name string, l Layers) bool {
	for _, level := range []map[string]any{c.defaults, c.frozen, l.Deployment, l.Run, l.DeploymentFrozen} {
		for key := range level {
			if path := freeze.ParseKey(key); len(path) > 0 && path[0] == name {
				return true
			}
		}
	}
	return false
}

// sample invents a value that the schema of a variable accepts, as well as that can be guessed.
func (c *Compiled) sample(name string) any { return c.sampleOf(c.property(name), 0) }

// maxAlternatives bounds how deep alternatives within alternatives are followed: they may go in a circle.
const maxAlternatives = 5

func (c *Compiled) sampleOf(property map[string]any, depth int) any {
	for _, keyword := range []string{"examples", "enum"} {
		if list, _ := property[keyword].([]any); len(list) > 0 {
			return list[0]
		}
	}
	if v, ok := property["const"]; ok {
		return v
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		list, _ := property[keyword].([]any)
		for _, item := range list {
			if schema, _ := item.(map[string]any); schema != nil && schema["type"] != typeNull && depth < maxAlternatives {
				return c.sampleOf(c.follow(schema), depth+1)
			}
		}
	}
	switch kindOf(property) {
	case "integer":
		if minimum, ok := property["minimum"].(int64); ok {
			return minimum
		}
		return int64(1)
	case "number":
		if minimum, ok := property["minimum"].(float64); ok {
			return minimum
		}
		return 1.0
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	default:
		return "sample"
	}
}

const typeNull = "null"

// kindOf is the type that a schema declares, or the only one beside null; empty for several and for none.
func kindOf(schema map[string]any) string {
	switch kind := schema["type"].(type) {
	case string:
		return kind
	case []any:
		others := slices.DeleteFunc(slices.Clone(kind), func(item any) bool { return item == typeNull })
		if len(others) == 1 {
			name, _ := others[0].(string)
			return name
		}
	}
	return ""
}
