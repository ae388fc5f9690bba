package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api/apispec"
)

func specification(t *testing.T) *openapi3.T {
	t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// mismatches is everything in which a value is not what its schema says: that schemas of answers let unknown
// fields pass is for the client of tomorrow, not for examples.
func mismatches(schema *openapi3.Schema, value any) []string {
	var found []string
	formats := []openapi3.SchemaValidationOption{
		openapi3.MultiErrors(),
		openapi3.WithStringFormatValidator("uuid", openapi3.NewCallbackValidator(uuid.Validate)),
		openapi3.WithStringFormatValidator(
			"date-time",
			openapi3.NewCallbackValidator(func(text string) error {
				_, err := time.Parse(time.RFC3339, text)
				return err
			}),
		),
	}
	if err := schema.VisitJSON(value, formats...); err != nil {
		found = append(found, err.Error())
	}
	return append(found, strangers(schema, value, "")...)
}

func strangers(schema *openapi3.Schema, value any, at string) []string {
	var found []string
	switch v := value.(type) {
	case map[string]any:
		if len(schema.Properties) == 0 {
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			property, ok := schema.Properties[key]
			if !ok {
				found = append(found, fmt.Sprintf("%s/%s is no property", at, key))
				continue
			}
			found = append(found, strangers(property.Value, v[key], at+"/"+key)...)
		}
	case []any:
		for i, item := range v {
			if schema.Items != nil {
				found = append(found, strangers(schema.Items.Value, item, fmt.Sprintf("%s/%d", at, i))...)
			}
		}
	}
	return found
}

// plain is a value as JSON has it: YAML reads whole numbers as integers.
func plain(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryExampleIsWhatItsSchemaSays(t *testing.T) {
	spec := specification(t)
	examples := 0
	check := func(place string, schema *openapi3.Schema, example any) {
		if example == nil {
			return
		}
		examples++
		for _, what := range mismatches(schema, plain(t, example)) {
			t.Errorf("the example of %s: %s", place, what)
		}
	}
	for name, schema := range spec.Components.Schemas {
		check(name, schema.Value, schema.Value.Example)
		for property, inner := range schema.Value.Properties {
			if inner.Ref == "" {
				check(name+"."+property, inner.Value, inner.Value.Example)
			}
		}
	}
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			for _, parameter := range append(slices.Clone(item.Parameters), operation.Parameters...) {
				check(method+" "+path+" "+parameter.Value.Name, parameter.Value.Schema.Value,
					parameter.Value.Example)
			}
			for place, media := range bodies(operation) {
				check(method+" "+path+" "+place, media.Schema.Value, media.Example)
			}
		}
	}
	if examples < 50 {
		t.Errorf("only %d examples were found", examples)
	}
}

// bodies are the JSON documents of an operation: what is sent, and the answers of success.
func bodies(operation *openapi3.Operation) map[string]*openapi3.MediaType {
	found := map[string]*openapi3.MediaType{}
	add := func(place string, content openapi3.Content) {
		if media := content.Get("application/json"); media != nil && media.Schema.Value.Format != "binary" {
			found[place] = media
		}
	}
	if operation.RequestBody != nil {
		add("body", operation.RequestBody.Value.Content)
	}
	for status, response := range operation.Responses.Map() {
		if strings.HasPrefix(status, "2") && len(response.Value.Content) > 0 &&
			response.Value.Content["application/json"] != nil {
			add("answer "+status, response.Value.Content)
		}
	}
	return found
}

// exampleOf is a schema's own example, or one made of those of its required parts; nil where there is none.
func exampleOf(schema *openapi3.Schema) any {
	if schema.Example != nil {
		return schema.Example
	}
	switch {
	case schema.Type.Is("array") && schema.Items != nil:
		if item := exampleOf(schema.Items.Value); item != nil {
			return []any{item}
		}
	case schema.Type.Is("object") && len(schema.Required) > 0:
		object := map[string]any{}
		for _, name := range schema.Required {
			part := exampleOf(schema.Properties[name].Value)
			if part == nil {
				return nil
			}
			object[name] = part
		}
		return object
	}
	return nil
}

func TestEveryBodyAndEveryAnswerHasAnExample(t *testing.T) {
	for path, item := range specification(t).Paths.Map() {
		for method, operation := range item.Operations() {
			for place, media := range bodies(operation) {
				if media.Example == nil && exampleOf(media.Schema.Value) == nil {
					t.Errorf("%s %s (%s): %s has no example", method, path, operation.OperationID, place)
				}
			}
		}
	}
}
