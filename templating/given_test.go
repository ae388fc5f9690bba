package templating_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

func compileText(t *testing.T, source string) *templating.Compiled {
	t.Helper()
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

var runAtHand = templating.Context{
	Run: templating.RunContext{
		ID: "r1", Name: "brave-otter", Attempt: 2, ScheduledTime: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC),
		Parameters: map[string]any{"day": "2026-01-01", "odd": "{{ berth.variables.secret }}"},
	},
	Deployment: templating.DeploymentContext{Name: "etl/nightly"},
	Worker:     templating.NameContext{Name: "w"},
}

func TestValuesReferToTheRunAtHand(t *testing.T) {
	compiled := compileText(t, "variables: {type: object, properties: {v: {}}}\njob_configuration: {v: '{{ v }}'}\n")
	for _, c := range []struct {
		name  string
		given any
		want  any
	}{
		{"as text", "x-{{ ctx.run.name }}-{{ ctx.run.attempt }}", "x-brave-otter-2"},
		{"with its type", "{{ ctx.run.attempt }}", int64(2)},
		{"by Prefect's names", "{{ ctx.flow.name }}-{{ ctx.flow_run.name }}-{{ ctx.flow_run.id }}", "etl-brave-otter-r1"},
		{"inside a value", map[string]any{"a": []any{"{{ ctx.run.parameters.day }}"}}, map[string]any{"a": []any{"2026-01-01"}}},
		{"what a parameter holds is not filled in again", "{{ ctx.run.parameters.odd }}", "{{ berth.variables.secret }}"},
		{"the scheduled time", "{{ ctx.run.scheduled_time }}", "2026-01-02T03:00:00Z"},
		{"a name of the template stays text", "{{ v }}", "{{ v }}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rendered, err := compiled.Render(context.Background(), templating.Input{
				Layers: templating.Layers{Deployment: map[string]any{"v": c.given}}, Context: runAtHand,
				Stored: map[string]any{"secret": "s3cret"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, rendered.Configuration["v"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestValuesCannotReferToWhatTheRunDoesNotHave(t *testing.T) {
	compiled := compileText(t, "variables: {type: object, properties: {v: {}}}\njob_configuration: {v: '{{ v }}'}\n")
	for given, want := range map[string]string{
		"{{ ctx.run.nmae }}":    `ctx.run.nmae: unknown field "nmae" (did you mean "name"?)`,
		"{{ ctx.worker.name }}": "ctx.worker.name: job variables are the same whichever worker takes the run",
		"{{ ctx.run.name }}":    "",
	} {
		_, err := compiled.ValidateDeployment(map[string]any{"v": given})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", given, err, want)
		}
	}
}

func TestValuesDoNotGrowWithoutBound(t *testing.T) {
	compiled := compileText(t, "variables: {type: object, properties: {v: {}}}\njob_configuration: {v: '{{ v }}'}\n")
	at := runAtHand
	at.Run.Parameters = map[string]any{"large": strings.Repeat("x", 100_000)}
	items := make([]any, 1000)
	for i := range items {
		items[i] = "-{{ ctx.run.parameters.large }}"
	}
	_, err := compiled.Render(context.Background(), templating.Input{
		Layers: templating.Layers{Run: map[string]any{"v": items}}, Context: at,
	})
	if err == nil || !strings.Contains(err.Error(), "the job variables have more than 4194304 bytes") {
		t.Errorf("got %v, want the limit", err)
	}
}

func TestKeysForAnchorsAtTheRootMeanNothing(t *testing.T) {
	compiled := compileText(t, `
x-resources: &small {limits: {memory: 1Gi}}
job_configuration: {a: {<<: *small}}
`)
	rendered, err := compiled.Render(context.Background(), templating.Input{})
	if err != nil || len(compiled.Warnings()) > 0 {
		t.Fatal(err, compiled.Warnings())
	}
	want := map[string]any{"a": map[string]any{"limits": map[string]any{"memory": "1Gi"}}}
	if diff := cmp.Diff(want, rendered.Configuration); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAnObjectOfKubernetesIsNoTemplate holds that one line says where it goes, instead of one for each of its keys.
func TestAnObjectOfKubernetesIsNoTemplate(t *testing.T) {
	for kind, want := range map[string]string{
		"Job":     "this is a Job, not a template (put it under job_configuration.job_manifest)",
		"CronJob": "put its jobTemplate.spec under job_configuration.job_manifest.spec; the schedule goes to the deployment",
		"Pod":     "put its spec under job_configuration.job_manifest.spec.template.spec",
		"Service": "a template has variables and job_configuration",
	} {
		_, err := templating.Parse([]byte("apiVersion: v1\nkind: " + kind + "\nmetadata: {name: x}\nspec: {}\nstatus: {}\n"))
		if problems := templating.AsProblems(err); len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: got %v, want %s", kind, err, want)
		}
	}
}

func TestPlaceholdersWithoutQuotesAreRecognised(t *testing.T) {
	for source, want := range map[string]string{
		"a: {{ secs }}\n":                 `a value that begins with {{ must be quoted: "{{ secs }}"`,
		"a: [{{ secs }}]\n":               `a value that begins with {{ must be quoted: "{{ secs }}"`,
		"- {{ secs }}\n":                  `a value that begins with {{ must be quoted: "{{ secs }}"`,
		"image: {{ image }}:1.0\nb: c\n":  `a value that begins with {{ must be quoted: "{{ image }}:1.0"`,
		"a: {{ .Values.x | quote }}\n":    "",
		"a: {1: b}\n? [x, y]\n: z\n":      "a key must be a string",
		"big: 123456789012345678901234\n": "integer 123456789012345678901234 does not fit into 64 bits; quote it if it is text",
	} {
		_, err := templating.DecodeYAML([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", source, err, want)
		}
	}
}
