package templating

import (
	"strconv"
	"strings"
)

// Written is what the template has at a place.
type Written struct {
	// Text is the string as it was written; empty where there is none.
	Text string
	// Variable is the variable that the string is made of alone, and Type what the schema says of it, empty where
	// it says nothing.
	Variable, Type string
	// HasActions is true where the engine has actions.
	HasActions bool
}

// WrittenAt returns what the template has at a place of job_configuration, by its JSON pointer.
func (r *Rendered) WrittenAt(pointer string) Written {
	rest, ok := strings.CutPrefix(pointer, ConfigurationPointer+"/")
	if !ok || r.Template == nil || r.compiled == nil {
		return Written{}
	}
	leaf := Written{HasActions: r.compiled.engine == DefaultEngine}
	leaf.Text, _ = at(r.Template.JobConfiguration, strings.Split(rest, "/")).(string)
	for _, reference := range r.compiled.references {
		if reference.Pointer != pointer || reference.Kind != ReferenceVariable || len(reference.Path()) > 0 {
			continue
		}
		name, whole := strings.CutPrefix(leaf.Text, "{{")
		name, closed := strings.CutSuffix(name, "}}")
		name = strings.TrimPrefix(strings.TrimSpace(name), ".")
		if whole && closed && name == reference.Root() {
			leaf.Variable = name
			leaf.Type, _ = r.compiled.property(name)["type"].(string)
		}
	}
	return leaf
}

// at follows the steps of a JSON pointer.
func at(v any, steps []string) any {
	for _, step := range steps {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch parent := v.(type) {
		case map[string]any:
			v = parent[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(parent) {
				return nil
			}
			v = parent[i]
		default:
			return nil
		}
	}
	return v
}

// SourceOf is the variable that a place of job_configuration takes its value from; empty where it is none, or several.
func (c *Compiled) SourceOf(pointer string) string {
	source := ""
	for _, r := range c.references {
		if r.Kind != ReferenceVariable || pointer != r.Pointer && !strings.HasPrefix(pointer, r.Pointer+"/") {
			continue
		}
		if source != "" && source != r.Root() {
			return ""
		}
		source = r.Root()
	}
	return source
}
