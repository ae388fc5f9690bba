package cli_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func TestWhatASchemaDoesNotDeclareIsSaidWithTheNearestName(t *testing.T) {
	given := map[string]json.RawMessage{"cpu_limt": nil, "image": nil, "env.A": nil, "xyz": nil}
	for _, test := range []struct {
		name, schema string
		want         []string
	}{
		{"an open schema", `{"properties":{"cpu_limit":{},"image":{},"env":{}}}`, []string{
			`the template does not declare a variable "cpu_limt" (did you mean "cpu_limit"?)`, `the template does not declare a variable "xyz"`,
		}},
		{"a schema that judges other names", `{"properties":{"image":{}},"additionalProperties":{"type":"string"}}`, nil},
		{"patterns", `{"patternProperties":{".*":{}}}`, nil},
		{"no schema", ``, nil},
	} {
		if got := cli.Undeclared(given, json.RawMessage(test.schema)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
