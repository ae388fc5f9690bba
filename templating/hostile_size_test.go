package templating_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func TestLargeTemplatesAreJudgedInTime(t *testing.T) {
	manyVariables := "variables:\n  properties:\n"
	for i := range 1500 {
		manyVariables += fmt.Sprintf("    v%d: {type: boolean, default: false}\n", i)
	}
	for name, source := range map[string]string{
		"many leaves":                   "job_configuration:\n  l:\n" + strings.Repeat("  - '{{ .x }}'\n", 60_000),
		"many placeholders":             "job_configuration: {l: '" + strings.Repeat("{{ x }}", 140_000) + "'}",
		"many actions":                  "job_configuration: {l: '" + strings.Repeat("{{ .x }}", 120_000) + "'}",
		"actions within bounds":         "job_configuration: {l: '" + strings.Repeat("{{ .x }}\n", 19_000) + "'}",
		"unknown functions":             "job_configuration: {l: '" + strings.Repeat("{{ f 1 }}\n", 19_000) + "'}",
		"comments that are not closed":  "job_configuration: {l: '" + strings.Repeat("{{/* }} ", 19_000) + "'}",
		"braces":                        "job_configuration: {l: '" + strings.Repeat("{", 500_000) + "'}",
		"brackets":                      "job_configuration: {l: " + strings.Repeat("[", 9_000) + "}",
		"many nodes":                    "job_configuration: {l: [" + strings.Repeat("x,", 400_000) + "]}",
		"many keys":                     "job_configuration: {" + strings.Repeat("x: 1,", 200_000) + "}",
		"many subschemas":               "variables: {allOf: [" + strings.Repeat("{type: object},", 60_000) + "]}\njob_configuration: {}",
		"a schema that doubles":         "variables: {$defs: {z: {}" + doubling(60) + "}, properties: {p: {$ref: '#/$defs/d59', default: 1}}}\njob_configuration: {}",
		"many variables":                manyVariables + "job_configuration: {job_manifest: {spec: {template: {spec: {containers: [{name: a, image: 'x:1', args: ['{{ toJson . }}']}]}}}}}",
		"too many variables":            "variables: {properties: {" + names(80_000, "%s: {}, ") + "}}\njob_configuration: {" + names(200, "%s: '{{ nowhere }}', ") + "}",
		"names that are nearly right":   "variables: {properties: {" + names(1_900, "%s: {}, ") + "}}\njob_configuration: {" + names(20_000, "%[1]s: '{{ x%[1]s }}', ") + "}",
		"very many alternatives":        "variables: {properties: {a: {enum: [" + names(100_000, "%s, ") + "]}}}\njob_configuration: {name: '{{ a }}'}",
		"alternatives of a large job":   "variables: {properties: {a: {enum: [" + names(1_000, "%s, ") + "]}}}\njob_configuration: {name: '{{ a }}', job_manifest: {spec: {template: {spec: {containers: [{name: a, image: 'x:1', args: [" + names(80_000, "%s, ") + "]}]}}}}}",
		"a reference that is very long": `{"variables": {"$defs": {"` + strings.Repeat("x", 400_000) + `": {}}, "properties": {"a": {"items": {"$ref": "#/$defs/` + strings.Repeat("x", 400_000) + `"}}}}, "job_configuration": {}}`,
		"slow and many alternatives":    manyVariables + "job_configuration: {job_manifest: {spec: {template: {spec: {containers: [{name: a, image: 'x:1', args: ['{{ range 200000 }}{{ end }}']}]}}}}}",
	} {
		t.Run(name, func(t *testing.T) {
			start, before := time.Now(), allocated()
			parsed, err := templating.Parse([]byte(source))
			parsing := time.Since(start)
			errors := templating.AsProblems(err)
			if parsed != nil {
				errors = templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check).Errors
			}
			took := time.Since(start)
			t.Logf("%v, parsing %v, %d MiB allocated, %d errors, %.200v", took, parsing,
				(allocated()-before)>>20, len(errors), append(errors, templating.Problem{})[0].Message)
			if took > watchdog {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// names writes n names into a format.
func names(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, fmt.Sprint("n", i))
	}
	return b.String()
}

// doubling makes n schemas of which each refers twice to the one before.
func doubling(n int) string {
	var b strings.Builder
	before := "z"
	for i := range n {
		fmt.Fprintf(&b, ", d%d: {allOf: [{$ref: '#/$defs/%s'}, {$ref: '#/$defs/%s'}]}", i, before, before)
		before = fmt.Sprintf("d%d", i)
	}
	return b.String()
}
