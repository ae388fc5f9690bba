package reference

import "strings"

// declared is the JSON Schema of a value that a job variable gives. The keys that it lists under properties
// are the template's words, as those of the manifest are; what additionalProperties takes are not.
type declared map[string]any

// schemaOf is the schema of a variable, or of what a path leads to inside it; nil where none is declared.
func (t Template) schemaOf(name string) declared {
	schema := declared{"properties": t.Variables["properties"]}
	steps := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	for _, step := range steps {
		below := t.below(schema, step)
		if len(below) == 0 {
			return nil
		}
		schema = below[0]
	}
	return schema
}

// below returns the schemas of the value at a key, or of the items of a list.
func (t Template) below(schema declared, step string) []declared {
	return t.belowAt(schema, step, 0)
}

func (t Template) belowAt(schema declared, step string, depth int) []declared {
	object := t.deref(schema)
	if object == nil || depth > maxDepth {
		return nil
	}
	var found []declared
	properties, _ := object["properties"].(map[string]any)
	if step == anyItem || strings.HasPrefix(step, "[") {
		properties, step = object, "items"
	}
	if child, ok := properties[step].(map[string]any); ok {
		found = append(found, child)
	}
	for _, key := range [...]string{"anyOf", "oneOf", "allOf"} {
		list, _ := object[key].([]any)
		for _, item := range list {
			alternative, _ := item.(map[string]any)
			found = append(found, t.belowAt(alternative, step, depth+1)...)
		}
	}
	return found
}

// declares reports whether the schema lists every key of a value.
func (t Template) declares(schema declared, v any, depth int) bool {
	if schema == nil || depth > maxDepth {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if item != nil && !t.oneDeclares(t.below(schema, key), item, depth) {
				return false
			}
		}
	case []any:
		for _, item := range v {
			if !t.oneDeclares(t.below(schema, anyItem), item, depth) {
				return false
			}
		}
	}
	return true
}

func (t Template) oneDeclares(schemas []declared, v any, depth int) bool {
	for _, schema := range schemas {
		if t.declares(schema, v, depth+1) {
			return true
		}
	}
	return false
}

func isScalar(v any) bool {
	_, ok := scalarText(v)
	return ok
}
