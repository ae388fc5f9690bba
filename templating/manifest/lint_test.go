package manifest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func lint(t *testing.T, file string) templating.Report {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
}

func TestLintReadsLikeAGoodCompiler(t *testing.T) {
	files, err := filepath.Glob("../testdata/lint/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates to lint (%v)", err)
	}
	for _, file := range append(files, "../testdata/conformance/default-base-job-template.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := text(lint(t, file))
			golden := filepath.Join("../testdata/lint",
				strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("report (-want +got; -update writes it):\n%s", diff)
			}
		})
	}
}

func TestAMisspeltFieldIsSaidAlsoAroundABrokenLeaf(t *testing.T) {
	for _, inside := range []string{"{{ imgae }}", "{{ image | upperr }}", "x{{ toJson }}", "{{ $NOWHERE }}"} {
		parsed, err := templating.Parse(
			[]byte(`{variables: {properties: {image: {default: "a:1"}}}, job_configuration: {
 job_manifest: {spec: {template: {spec: {contaniers: [{name: job, image: '` + inside + `'}]}}}}}}`),
		)
		if err != nil {
			t.Fatal(err)
		}
		const want = "unknown field \"contaniers\"\n  help: did you mean \"containers\"?\n"
		if report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check); !strings.Contains(
			text(report), want,
		) {
			t.Errorf("%s: got\n%swant %s", inside, text(report), want)
		}
	}
}

func TestLintTriesTheExamplesOfTheWholeSchema(t *testing.T) {
	parsed, err := templating.Parse(
		[]byte(
			`{variables: {properties: {image: {type: string, default: "a:1"}, memory: {type: string, default: 1Gi}, limit: {type: string, default: 1Gi}},
 examples: [{memory: 512Mi, limit: 1Gi}, {memory: 2Gi}, {memory: 5}, {memory: 2Gi, limit: 4Gi, image: "b:1"}]}, job_configuration: {
 job_manifest: {spec: {template: {spec: {containers: [{name: job, image: "{{ image }}", resources: {requests: {memory: "{{ memory }}"}, limits: {memory: "{{ limit }}"}}}]}}}}}}`,
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
	const want = "request 2Gi exceeds limit 1Gi (with example 2 of variables)"
	if len(report.Errors) != 1 || report.Errors[0].Message != want {
		t.Errorf("got\n%swant %s", text(report), want)
	}
	const refused = `the schema rejects this example: variable "memory" must be a string, not a number`
	if w := report.Warnings; len(w) != 1 || w[0].Message != refused ||
		w[0].Pointer != "/variables/examples/2" {
		t.Errorf("got\n%swant %s", text(report), refused)
	}
}

func TestLintSaysWhatIsRequiredAndNotDeclared(t *testing.T) {
	for closed, want := range map[string]string{
		"":                              "warning[undeclared] /variables/required/1\n  \"imgae\" is required but not declared in variables\n  help: did you mean \"image\"?\n",
		", additionalProperties: false": "error[undeclared] /variables/required/1\n",
	} {
		parsed, err := templating.Parse(
			[]byte(
				`{variables: {properties: {image: {default: "a:1"}}, required: [image, imgae]` + closed + `}, job_configuration: {
 job_manifest: {spec: {template: {spec: {containers: [{name: job, image: "{{ image }}", resources: {limits: {memory: 1Gi}}}]}}}}}}`,
			),
		)
		if err != nil {
			t.Fatal(err)
		}
		if report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check); !strings.Contains(
			text(report), want) ||
			len(report.Errors)+len(report.Warnings) != 1 {
			t.Errorf("got\n%swant %s", text(report), want)
		}
	}
}

func TestLintSaysEverythingOfALeafAtOnce(t *testing.T) {
	source := `{variables: {properties: {image: {type: string}}}, job_configuration: {env: {A: "{{ nowhere }}", B: "{{ env .x }}"},
 job_manifest: {spec: {template: {spec: {containers: [{name: job, image: "{{ imagge }}{{ .imgae | upperr }}", comand: [x]}]}}}}}}`
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	got := text(templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check))
	for _, want := range []string{`"nowhere" is not declared`, `function "env" is not allowed`, `"x" is not declared`, `"imagge" is not declared`,
		`"imgae" is not declared`, `unknown function "upperr"`, `unknown field "comand"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no word of %s", want)
		}
	}
	if strings.Contains(got, "needs an image") || strings.Contains(got, "never used") {
		t.Error("what only follows from another problem was said as well")
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestAnInventedSampleOnlyWarnsUnlessTheDeclaredTypeDecides(t *testing.T) {
	for _, test := range []struct{ name, variable, required, image, memory, want string }{
		{"any value of the type is wrong", "type: integer", "x", "{{ x }}", "1Gi", "error"},
		{"another value may be right", "type: string", "x", "a:1", "{{ x }}", "warning"},
		{"every run that gives it fails", "type: integer", "", "{{ x }}", "1Gi", "error"},
		{"it may be of another type", "type: [integer, string], minimum: 5", "x", "{{ x }}", "1Gi", ""},
		{"text around it", "type: integer", "x", "a:{{ x }}", "1Gi", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := "{variables: {properties: {x: {" + test.variable + "}}, required: [" + test.required + "]}, job_configuration: {job_manifest: {spec: {template: {spec: " +
				"{containers: [{name: job, image: '" + test.image + "', resources: {limits: {memory: '" + test.memory + "'}}}]}}}}}}"
			parsed, err := templating.Parse([]byte(source))
			if err != nil {
				t.Fatal(err)
			}
			report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
			got := ""
			for _, p := range append(report.Errors, report.Warnings...) {
				if p.Code == templating.CodeType || p.Code == templating.CodeInvalid {
					got = string(p.Severity)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q: %v %v", got, test.want, report.Errors, report.Warnings)
			}
		})
	}
}

func text(r templating.Report) string {
	var b strings.Builder
	for _, list := range [][]templating.Problem{r.Errors, r.Warnings} {
		for _, p := range list {
			fmt.Fprintf(&b, "%s[%s] %s\n", p.Severity, p.Code, p.Pointer)
			if p.Line > 0 {
				fmt.Fprintf(&b, "  %d:%d | %s\n", p.Line, p.Column, p.Excerpt)
			}
			fmt.Fprintf(&b, "  %s\n", p.Message)
			if p.Suggestion != "" {
				fmt.Fprintf(&b, "  help: %s\n", p.Suggestion)
			}
		}
	}
	fmt.Fprintf(&b, "placeholders: %s\n", strings.Join(r.Placeholders, ", "))
	return b.String()
}
