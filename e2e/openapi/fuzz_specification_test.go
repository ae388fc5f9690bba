package openapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// strictSpecification is openapi.yaml without what would let any answer pass: the default responses. It gives
// streams the schema of an event, where OpenAPI 3.0 has only one for the whole body.
func strictSpecification(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
		Other map[string]any            `json:"-"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &document.Other); err != nil {
		t.Fatal(err)
	}

	for _, item := range document.Paths {
		for _, operation := range item {
			operation, ok := operation.(map[string]any)
			if !ok {
				continue // the parameters that the operations of a path share
			}
			responses := operation["responses"].(map[string]any)
			delete(responses, "default")
			describeEvents(responses)
		}
	}
	document.Other["paths"] = document.Paths
	strict, err := json.Marshal(document.Other)
	if err != nil {
		t.Fatal(err)
	}
	return strict
}

func describeEvents(responses map[string]any) {
	success, _ := responses["200"].(map[string]any)
	content, _ := success["content"].(map[string]any)
	stream, ok := content["text/event-stream"].(map[string]any)
	if !ok {
		return
	}
	stream["schema"] = map[string]any{
		"type": "object", "required": []string{"event", "data"}, "additionalProperties": false,
		"properties": map[string]any{
			"id":    map[string]any{"type": "string", "minLength": 1},
			"event": map[string]any{"enum": slices.Sorted(maps.Keys(stream["x-events"].(map[string]any)))},
			"data":  map[string]any{"type": "string", "minLength": 2},
		},
	}
}

// valuesOf is the part of the fuzzer's configuration with the values of parameters, which have names such as
// path.pool.
func valuesOf(t *testing.T, parameters map[string][]string) []byte {
	t.Helper()
	var dictionaries, bindings strings.Builder
	bindings.WriteString("[parameters]\n")
	for i, name := range slices.Sorted(maps.Keys(parameters)) {
		values, err := json.Marshal(parameters[name]) // a list of strings looks the same in TOML
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&dictionaries, "[dictionaries.d%d]\nvalues = %s\n", i, values)
		fmt.Fprintf(&bindings, "%q = {dictionary = \"d%d\", probability = 0.8}\n", name, i)
	}
	return []byte(dictionaries.String() + bindings.String())
}

// operationsOf lists the operations of openapi.yaml, as METHOD /path.
func operationsOf(t *testing.T) []string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(strictSpecification(t), &document); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, item := range document.Paths {
		for method := range item {
			if method != "parameters" {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}
