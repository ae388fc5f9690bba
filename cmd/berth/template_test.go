package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const smallTemplate = `variables:
  properties:
    image: {type: string, default: busybox:1.36}
    memory: {type: integer, default: 64}
job_configuration:
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: job
            image: "{{ image }}"
            args: ["{{ ctx.run.name }}", "{{ berth.variables.place }}", "{{ $REGION }}"]
            resources: {limits: {memory: "{{ memory }}Mi"}}
template_env: [REGION]
`

func TestATemplateIsRenderedOffline(t *testing.T) {
	dir := t.TempDir()
	template := write(t, dir, "template.yaml", smallTemplate)
	variables := write(t, dir, "variables.yaml", "memory: 128\n")
	stored := write(t, dir, "stored.yaml", "place: Bremen\n")
	context := write(
		t,
		dir,
		"context.yaml",
		"run: {id: 01890000-0000-7000-8000-000000000001, name: nightly, attempt: 2, parameters: {b: 1.10, a: x}}\n",
	)
	u := user{home: t.TempDir()}
	args := []string{
		"template", "render", "-f", template, "--variables", variables, "--stored-variables", stored,
		"--context", context,
	}
	want := `{
  "job_manifest": {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
      "template": {
        "spec": {
          "containers": [
            {
              "args": [
                "nightly",
                "Bremen",
                "north"
              ],
              "image": "alpine",
              "name": "job",
              "resources": {
                "limits": {
                  "memory": "128Mi"
                }
              }
            }
          ]
        }
      }
    }
  }
}
`
	t.Setenv("REGION", "not read: only what the command is given counts")
	if got := renderWith(t, u, "REGION=north", append(args, "--set", "image=alpine", "--template-env", "REGION", "-o", "json")...); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	job := renderWith(t, u, "REGION=north", append(args, "--template-env", "REGION", "--job")...)
	demand(t, "--job", job, "name: nightly-", "berth.dev/attempt: \"2\"", `value: '{"b":1.10,"a":"x"}'`,
		"backoffLimit: 0")
}

func renderWith(t *testing.T, u user, variable string, args ...string) string {
	t.Helper()
	r := u.runEnv(t, smallTemplate, []string{variable}, args...)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	return r.stdout
}

func TestLintSaysAllThatIsWrongAtOnce(t *testing.T) {
	u := user{home: t.TempDir()}
	broken := `variables:
  properties:
    image: {type: string, default: 7}
job_configuration:
  job_manifest:
    spec: {template: {spec: {containers: [{name: job, image: "{{ imgae }}"}]}}}
`
	r := u.runInput(t, broken, "template", "lint", "-f", "-", "-o", "json")
	if r.code != 1 {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	var report struct {
		Errors       []struct{ Pointer, Message, Suggestion string }
		Warnings     []any
		Placeholders []string
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	if len(report.Errors) != 2 || report.Warnings == nil || report.Placeholders == nil {
		t.Errorf("got %+v", report)
	}
	text := u.runInput(t, broken, "template", "lint", "-f", "-")
	demand(t, "lint", text.stdout, "/variables/properties/image/default", "imgae", "image", "2 errors")
	if r := u.runInput(t, smallTemplate, "template", "lint", "-f", "-"); r.code != 0 {
		t.Errorf("a good template: exit code %d\n%s", r.code, r.stdout)
	}
}

func TestWhatIsNoTemplateIsBadInputWithItsPlace(t *testing.T) {
	u := user{home: t.TempDir()}
	for _, test := range []struct{ source, place string }{
		{"a: 1\nb: [1\n", "<stdin>:2:"}, {"[]\n", "<stdin>:1:1"}, {`{"job_configuration": {"a": 1, "a": 2}}`, "<stdin>:1:32"},
		{"job_configuration: {}\nvariable: {}\n", "<stdin>:2:1"},
	} {
		r := u.runInput(t, test.source, "template", "render", "-f", "-")
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, test.place) {
			t.Errorf("%q: exit code %d, want 2 and %s\n%s", test.source, r.code, test.place, r.stderr)
		}
	}
}

func TestAFlawedTemplateIsRenderedUnlessStrict(t *testing.T) {
	u := user{home: t.TempDir()}
	flawed := "variables: {properties: {a: {type: string}}}\njob_configuration: {b: '{{ a }}x', c: '{{ nobody }}'}\n"
	r := u.runInput(t, flawed, "template", "render", "-f", "-", "--set", "a=1")
	if r.code != 0 || r.stdout != "b: 1x\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "standard error", r.stderr, "nobody")
	if r := u.runInput(t, flawed, "template", "render", "-f", "-", "--strict"); r.code != 1 ||
		r.stdout != "" {
		t.Errorf("--strict: exit code %d\n%s", r.code, r.stdout)
	}
}
