package manifest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// given is a template with what a deployment and stored variables give it.
type givenValues struct {
	configuration, env string // of job_configuration, and of its job container
	variables          string
	values, stored     map[string]any
	run                templating.RunContext
}

func (g givenValues) build(t *testing.T) (*manifest.Finished, []templating.Problem, error) {
	t.Helper()
	env := g.env
	if env == "" {
		env = "[]"
	}
	source := "variables: {properties: {" + g.variables + "}}\njob_configuration:\n" + g.configuration + `
  job_manifest:
    metadata: {labels: {a: manifest}, annotations: {note: manifest}}
    spec: {template: {metadata: {labels: {a: pod}}, spec: {containers: [{name: job, image: "busybox:1.36", env: ` + env + "}]}}}\n"
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		return nil, nil, err
	}
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		return nil, nil, err
	}
	report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
	run := g.run
	run.ID = "0197b8f0-1234-7abc-9def-0123456789ab"
	rendered, err := compiled.RenderRun(context.Background(), templating.Input{
		Layers: templating.Layers{Deployment: g.values}, Stored: g.stored,
		Context: templating.Context{Run: run, Deployment: templating.DeploymentContext{Name: "etl/daily"}},
	})
	if err != nil {
		return nil, report.Warnings, err
	}
	finished, err := manifest.Build(rendered, identity())
	return finished, report.Warnings, err
}

func TestJobsAreThoseThatOthersMake(t *testing.T) {
	const env = "  env: '{{ env }}'\n"
	envOf := func(f *manifest.Finished) string {
		var text []string
		for _, v := range f.Job.Spec.Template.Spec.Containers[0].Env {
			if !isOurs(v.Name) {
				text = append(text, v.Name+"="+v.Value)
			}
		}
		return strings.Join(text, " ")
	}
	for _, c := range []struct {
		name     string
		given    givenValues
		got      func(*manifest.Finished) string
		want     string // or what is refused
		refused  bool
		warnings string // part of what lint says
	}{
		{
			name: "a stored number in an environment is its text",
			given: givenValues{configuration: env, variables: "env: {type: object}", stored: map[string]any{"n": int64(5)},
				values: map[string]any{"env": map[string]any{"N": "{{ berth.variables.n }}"}}},
			got: envOf, want: "N=5",
		},
		{
			name: "a stored number keeps its type elsewhere",
			given: givenValues{configuration: "  job_watch_timeout_seconds: '{{ t }}'\n", variables: "t: {type: integer}",
				stored: map[string]any{"n": int64(5)}, values: map[string]any{"t": "{{ berth.variables.n }}"}},
			got: func(f *manifest.Finished) string { return f.Timeout.String() }, want: "5s",
		},
		{
			name: "labels from a stored object",
			given: givenValues{configuration: "  labels: '{{ labels }}'\n", variables: "labels: {type: object}",
				stored: map[string]any{"l": map[string]any{"a": "stored"}}, values: map[string]any{"labels": "{{ berth.variables.l }}"}},
			got:  func(f *manifest.Finished) string { return f.Job.Labels["a"] + " " + f.Job.Spec.Template.Labels["a"] },
			want: "stored stored",
		},
		{
			name: "an object in an environment is refused",
			given: givenValues{configuration: "  env: {D: '{{ v }}'}\n", variables: "v: {type: object}",
				values: map[string]any{"v": map[string]any{}}},
			want: "D", refused: true,
		},
		{
			name: "a label key that cannot be is refused, with one that can",
			given: givenValues{configuration: "  labels: '{{ labels }}'\n", variables: "labels: {type: object}",
				values: map[string]any{"labels": map[string]any{"Team Name": "x"}}},
			want: `write "Team-Name"`, refused: true,
		},
		{
			name: "an annotation key too",
			given: givenValues{configuration: "  annotations: '{{ a }}'\n", variables: "a: {type: object}",
				values: map[string]any{"a": map[string]any{"My Note": "x"}}},
			want: `write "My-Note"`, refused: true,
		},
		{
			name: "label values are folded, and never empty",
			given: givenValues{configuration: "  labels: '{{ labels }}'\n", variables: "labels: {type: object}",
				values: map[string]any{"labels": map[string]any{"x": "münchen", "y": "Data & Ops", "z": "日本"}}},
			got: func(f *manifest.Finished) string {
				l := f.Job.Labels
				return l["x"] + " " + l["y"] + " " + map[bool]string{true: "something"}[len(l["z"]) == 8]
			},
			want: "munchen Data-Ops something",
		},
		{
			name:  "annotations of the manifest's metadata are the Job's only",
			given: givenValues{configuration: ""},
			got: func(f *manifest.Finished) string {
				return f.Job.Annotations["note"] + "/" + f.Job.Spec.Template.Annotations["note"]
			},
			want: "manifest/",
		},
		{
			name: "the names of Prefect for the run and its flow",
			given: givenValues{configuration: "  name: '{{ ctx.flow.name }}-{{ ctx.flow_run.name }}'\n",
				run: templating.RunContext{Name: "brave-otter", Attempt: 1}},
			got: func(f *manifest.Finished) string { return f.Job.Name[:len("etl-brave-otter")] }, want: "etl-brave-otter",
		},
		{
			name:  "no timeout, which lint says",
			given: givenValues{configuration: "  job_watch_timeout_seconds: 0\n"},
			got: func(f *manifest.Finished) string {
				if f.Timeout == nil {
					return "none"
				}
				return f.Timeout.String()
			},
			want: "none", warnings: "no limit",
		},
		{
			name:  "no deadline to start, which lint says",
			given: givenValues{configuration: "  pod_watch_timeout_seconds: 0\n"},
			got: func(f *manifest.Finished) string {
				if f.StartDeadline == nil {
					return "none"
				}
				return f.StartDeadline.String()
			},
			want: "none", warnings: "no limit",
		},
		{
			name:  "a line that goes on after a backslash",
			given: givenValues{configuration: "  command: \"echo \\\"a\\\\\\nb\\\" c\\\\\\nd\"\n"},
			got: func(f *manifest.Finished) string {
				return strings.Join(f.Job.Spec.Template.Spec.Containers[0].Args, "|")
			},
			want: "echo|ab|cd",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			finished, warnings, err := c.given.build(t)
			if c.refused {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want a refusal with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(finished); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.warnings != "" && !slices.ContainsFunc(warnings, func(p templating.Problem) bool { return strings.Contains(p.String(), c.warnings) }) {
				t.Errorf("lint says %v, want %q", warnings, c.warnings)
			}
		})
	}
}
