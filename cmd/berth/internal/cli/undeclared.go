package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// Undeclared says of each value, by name, that a schema does not declare it, with the nearest name that it does. A
// schema that judges other names itself declares them all.
func Undeclared(given map[string]json.RawMessage, schema json.RawMessage) []string {
	var declared struct {
		Properties           map[string]json.RawMessage `json:"properties"`
		PatternProperties    json.RawMessage            `json:"patternProperties"`
		AdditionalProperties json.RawMessage            `json:"additionalProperties"`
	}
	// A schema that is not what we expect decides nothing.
	if json.Unmarshal(schema, &declared) != nil || declared.PatternProperties != nil ||
		len(declared.AdditionalProperties) > 0 && declared.AdditionalProperties[0] == '{' {
		return nil
	}
	known := slices.Sorted(maps.Keys(declared.Properties))
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		name, _, _ := strings.Cut(key, ".")
		if slices.Contains(known, name) || slices.Contains(known, key) {
			continue
		}
		text := fmt.Sprintf("the template does not declare a variable %q", name)
		if near := templating.Nearest(name, known); near != "" {
			text += fmt.Sprintf(" (did you mean %q?)", near)
		}
		texts = append(texts, text)
	}
	return texts
}
