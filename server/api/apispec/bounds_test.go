package apispec_test

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/server/api/apispec"
)

// TestEverythingThatClientsSendHasABound walks the parameters and bodies of all operations. What is without a
// bound there reaches the store at any size.
func TestEverythingThatClientsSendHasABound(t *testing.T) {
	w := &boundsWalk{t: t, seen: map[*openapi3.Schema]bool{}}
	for path, item := range specification(t).Paths.Map() {
		for method, operation := range item.Operations() {
			at := method + " " + path
			for _, parameters := range []openapi3.Parameters{item.Parameters, operation.Parameters} {
				for _, p := range parameters {
					w.check(at+" "+p.Value.In+"."+p.Value.Name, p.Value.Schema.Value)
				}
			}
			if operation.RequestBody != nil {
				w.check(at, operation.RequestBody.Value.Content.Get("application/json").Schema.Value)
			}
		}
	}
	if len(w.seen) < 100 {
		t.Errorf("only %d schemas were found", len(w.seen))
	}
}

func specification(t *testing.T) *openapi3.T {
	t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

type boundsWalk struct {
	t    *testing.T
	seen map[*openapi3.Schema]bool
}

func (w *boundsWalk) check(at string, schema *openapi3.Schema) {
	w.t.Helper()
	if w.seen[schema] {
		return
	}
	w.seen[schema] = true
	if missing := missingBound(schema); missing != "" {
		w.t.Errorf("%s: a %s without %s", at, schema.Type.Slice()[0], missing)
	}

	for _, parts := range []openapi3.SchemaRefs{schema.AllOf, schema.OneOf} {
		for i, part := range parts {
			w.check(fmt.Sprintf("%s (%d)", at, i), part.Value)
		}
	}
	if schema.Items != nil {
		w.check(at+"/-", schema.Items.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		w.check(at+"/"+name, schema.Properties[name].Value)
	}
	if values := schema.AdditionalProperties.Schema; values != nil {
		w.check(at+"/*", values.Value)
	}
}

// missingBound names the bound that a schema lacks; empty if it has one. A schema without a type takes documents of
// the user, which the bounds of bodies hold.
func missingBound(schema *openapi3.Schema) string {
	switch {
	case schema.Type.Is("string"):
		if !boundedText(schema) {
			return "maxLength, enum, a format or a bounded pattern"
		}
	case schema.Type.Is("array"):
		if schema.MaxItems == nil {
			return "maxItems"
		}
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		if schema.Min == nil || schema.Max == nil {
			return "minimum and maximum"
		}
	case schema.Type.Is("object"):
		closed := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
		isMap := schema.AdditionalProperties.Schema != nil || len(schema.Properties) == 0
		if isMap && !closed && schema.MaxProps == nil {
			return "maxProperties"
		}
	}
	return ""
}

// boundedText reports whether a text has a bound. Output of workloads is cut instead of refused.
func boundedText(schema *openapi3.Schema) bool {
	switch {
	case schema.MaxLength != nil, len(schema.Enum) > 0, schema.Extensions["x-verbatim"] == true:
		return true
	case schema.Format == "uuid", schema.Format == "date-time":
		return true
	case schema.Pattern == "":
		return false
	}
	pattern, err := syntax.Parse(schema.Pattern, syntax.Perl)
	return err == nil && bounded(pattern)
}

// bounded reports whether a pattern matches whole texts of a bounded length only.
func bounded(pattern *syntax.Regexp) bool {
	anchored := pattern.Op == syntax.OpConcat && len(pattern.Sub) > 2 &&
		pattern.Sub[0].Op == syntax.OpBeginText && pattern.Sub[len(pattern.Sub)-1].Op == syntax.OpEndText
	return anchored && !repeatsWithoutEnd(pattern)
}

func repeatsWithoutEnd(pattern *syntax.Regexp) bool {
	switch {
	case pattern.Op == syntax.OpStar, pattern.Op == syntax.OpPlus, pattern.Op == syntax.OpRepeat && pattern.Max < 0:
		return true
	}
	return slices.ContainsFunc(pattern.Sub, repeatsWithoutEnd)
}
