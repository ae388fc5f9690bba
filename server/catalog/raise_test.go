package catalog

import (
	"encoding/json"
	"testing"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestRaise(t *testing.T) {
	t.Parallel()
	document := json.RawMessage(`{
		"variables": {"properties":{
			"memory":{"type":"string","default":"512Mi"}, "mib":{"type":"integer","maximum":1000}, "share":{"type":"number"},
			"size":{"enum":["1Gi","4Gi"]}, "fixed":{"type":"string","default":"1Gi"}}},
		"frozen": {"fixed":"1Gi"},
		"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"job","image":"x:1"}]}}}}}}`)
	tests := []struct {
		name, variable  string
		factor          float64
		max, deployment string
		frozen, run     string
		raised          string
		want            string // "" for nothing
	}{
		{name: "the template's default", variable: "memory", want: `"1Gi"`},
		{name: "the deployment's value", variable: "memory", deployment: `{"memory":"1Gi"}`, want: `"2Gi"`},
		{
			name: "the run's value", variable: "memory", deployment: `{"memory":"1Gi"}`,
			run: `{"memory":"3Gi"}`, want: `"6Gi"`,
		},
		{
			name: "what was raised before", variable: "memory", run: `{"memory":"1Gi"}`,
			raised: `{"memory":"2Gi"}`, want: `"4Gi"`,
		},
		{name: "a factor", variable: "memory", factor: 1.5, want: `"768Mi"`},
		{name: "up to the policy's most", variable: "memory", max: `"700Mi"`, want: `"700Mi"`},
		{name: "not beyond the policy's most", variable: "memory", max: `"512Mi"`},
		{name: "a most in bytes", variable: "memory", max: `734003200`, want: `"700Mi"`},
		{
			name: "a number up to the schema's maximum", variable: "mib", deployment: `{"mib":600}`,
			want: `1000`,
		},
		{name: "a number at the schema's maximum", variable: "mib", deployment: `{"mib":1000}`},
		{name: "a number within", variable: "mib", deployment: `{"mib":300}`, max: `450`, want: `450`},
		{name: "a fraction", variable: "share", deployment: `{"share":0.5}`, want: `1`},
		{name: "not what the template froze", variable: "fixed"},
		{
			name: "not what the deployment froze", variable: "memory", deployment: `{"memory":"1Gi"}`,
			frozen: `{"memory":"1Gi"}`,
		},
		{name: "not to what the schema does not allow", variable: "size", deployment: `{"size":"1Gi"}`},
		{name: "to what it allows", variable: "size", factor: 4, deployment: `{"size":"1Gi"}`, want: `"4Gi"`},
		{name: "nothing that is no amount", variable: "memory", deployment: `{"memory":"much"}`},
		{
			name: "nothing that nobody can calculate with", variable: "memory",
			deployment: `{"memory":"1e999999999"}`,
		},
		{name: "not up to what nobody can calculate with", variable: "memory", max: `"1e999999999"`},
		{
			name: "no reference to a stored variable", variable: "memory",
			deployment: `{"memory":"{{ berth.variables.memory }}"}`,
		},
		{name: "nothing without a value", variable: "share"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			raw := func(text string) json.RawMessage { return json.RawMessage(text) }
			got, ok := newCatalog().Raise(store.RaiseRequest{
				Policy: lifecycle.OOMPolicy{
					Max: 1, Variable: test.variable, Factor: test.factor, MaxValue: raw(test.max),
				},
				Template: document, DeploymentVariables: raw(test.deployment), Frozen: raw(test.frozen), RunVariables: raw(test.run), Raised: raw(test.raised),
			})
			if string(got.To) != test.want || ok != (test.want != "") {
				t.Errorf("raised from %s to %s (%t), want %s", got.From, got.To, ok, test.want)
			}
		})
	}
}
