package apispec_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestNoCommaCutsADescription finds what YAML makes of `{description: Of a queue, rule or pool}`: a property with the
// rest of the sentence as its name. Generators of clients refuse it.
func TestNoCommaCutsADescription(t *testing.T) {
	for name, schema := range specification(t).Components.Schemas {
		reportUnknownKeywords(t, name, schema.Value, map[*openapi3.Schema]bool{})
	}
}

func reportUnknownKeywords(t *testing.T, at string, schema *openapi3.Schema, seen map[*openapi3.Schema]bool) {
	t.Helper()
	if seen[schema] {
		return
	}
	seen[schema] = true
	for _, keyword := range slices.Sorted(maps.Keys(schema.Extensions)) {
		if !strings.HasPrefix(keyword, "x-") {
			t.Errorf("%s: %q is no keyword: quote the text that has a comma before it", at, keyword)
		}
	}
	for name, property := range schema.Properties {
		reportUnknownKeywords(t, at+"."+name, property.Value, seen)
	}
	if schema.Items != nil {
		reportUnknownKeywords(t, at+"[]", schema.Items.Value, seen)
	}
}
