package templating_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
)

func TestMessagesTellWhatWasExpectedOfAStoredVariableButNotItsValue(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		stored       any
		want         string
	}{
		{"an enum", `{"enum": ["a", "b"]}`, "hunter2", `must be one of "a", "b"`},
		{"a constant", `{"const": "a"}`, "hunter2", `must be "a"`},
		{"a type", `{"type": "integer"}`, "hunter2", "must be an integer, not a string"},
		{"a pattern", `{"pattern": "^[0-9]$"}`, "hunter2", "must match the regular expression \"^[0-9]$\""},
		{"a length", `{"maxLength": 3}`, "hunter2", "must have at most 3 characters"},
		{"a minimum", `{"minimum": 3}`, -8472, "must be at least 3"},
		{"a maximum", `{"maximum": 3}`, 8472, "must be at most 3"},
		{"a step", `{"multipleOf": 5}`, 8472, "must be a multiple of 5"},
		{"names", `{"type": "object", "properties": {"a": {}}, "additionalProperties": false}`, map[string]any{"hunter2": 1}, "must only have entries"},
		{"a part", `{"type": "object", "properties": {"a": {"enum": [1]}}}`, map[string]any{"a": "hunter2"}, "must be one of 1"},
		{"alternatives", `{"anyOf": [{"enum": ["a"]}, {"pattern": "^b"}]}`, "hunter2", "matches none of the alternatives"},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := compiled(
				t,
				`{"job_configuration": {"job_manifest": {"x": "{{ v }}{{ w }}"}}, "variables": {"properties": {"v": `+c.schema+`, "w": `+c.schema+`}}}`,
			)
			stored := map[string]any{"secret": c.stored}
			_, err := program.ValidateRun(
				templating.Layers{Deployment: map[string]any{"v": "{{ berth.variables.secret }}"}}, stored)
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "hunter2") ||
				strings.Contains(err.Error(), "8472") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			// A value that the user wrote in the run appears in the message.
			_, err = program.ValidateRun(templating.Layers{
				Deployment: map[string]any{
					"v": "{{ berth.variables.secret }}",
				}, Run: map[string]any{"v": c.stored},
			}, stored)
			if err == nil || strings.Contains(err.Error(), "stored") {
				t.Errorf("overridden: got %v", err)
			}
		})
	}
}
