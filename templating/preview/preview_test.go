package preview_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
)

// base is a template; tests change it by replacing parts of its text.
const base = `
variables:
  properties:
    image: {type: string, default: "busybox:1.36"}
    memory: {type: integer, default: 128, maximum: 1024}
    date: {type: string}
    env: {type: object}
  required: [date]
job_configuration:
  env: "{{ env }}"
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: job
            image: "{{ image }}"
            args: ["{{ date }}"]
            resources: {limits: {memory: "{{ memory }}Mi"}}
`

func compiled(t testing.TB, source string) *templating.Compiled {
	t.Helper()
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	c, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func subject(name string, values map[string]any) preview.Subject {
	return preview.Subject{Deployment: name, Identity: manifest.SampleIdentity(),
		Input: templating.Input{Layers: templating.Layers{Deployment: values}}}
}

func all(subjects ...preview.Subject) iter.Seq2[preview.Subject, error] {
	return func(yield func(preview.Subject, error) bool) {
		for _, s := range subjects {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func TestJobIsTheOneAWorkerMakes(t *testing.T) {
	c := compiled(t, base)
	finished, samples, err := preview.Job(context.Background(), c,
		subject("etl", map[string]any{"memory": int64(256), "date": "2026-01-01"}))
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := c.Render(
		context.Background(),
		templating.Input{
			Layers: templating.Layers{Deployment: map[string]any{"memory": int64(256), "date": "2026-01-01"}},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	want, err := manifest.Build(rendered, manifest.SampleIdentity())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Job, finished.Job); diff != "" || len(samples) != 0 {
		t.Errorf("samples %v, (-want +got):\n%s", samples, diff)
	}
}

func TestJobInventsWhatARunWouldGiveAndRefusesWhatTheSchemaDoes(t *testing.T) {
	c := compiled(t, base)
	finished, samples, err := preview.Job(context.Background(), c, subject("etl", nil))
	if err != nil || samples["date"] != "sample" ||
		finished.Job.Spec.Template.Spec.Containers[0].Args[0] != "sample" {
		t.Errorf("got %v, %v", samples, err)
	}
	_, _, err = preview.Job(context.Background(), c, subject("etl", map[string]any{"memory": int64(4096)}))
	var problems templating.Problems
	if !errors.As(err, &problems) || problems[0].Pointer != "/memory" {
		t.Errorf("got %v", err)
	}
}

func TestCompareSaysWhatBecomesOfADeployment(t *testing.T) {
	for _, test := range []struct {
		name       string
		replace    []string // in the template after
		before     string   // the template before, if it is not base
		values     map[string]any
		frozen     map[string]any
		verdict    preview.Verdict
		brokenThen bool
		samples    string
		changes    string // of the structured diff
		problem    string
	}{
		{name: "nothing that reaches the Job", replace: []string{"memory: {type: integer", "memory: {title: Memory, type: integer"},
			values: map[string]any{"date": "d"}, verdict: preview.Unchanged},
		{name: "a default that the deployment overrides", replace: []string{"busybox:1.36", "busybox:1.37"},
			values: map[string]any{"date": "d", "image": "etl:1"}, verdict: preview.Unchanged},
		{name: "a default that it takes", replace: []string{"busybox:1.36", "busybox:1.37"}, values: map[string]any{"date": "d"},
			verdict: preview.Changed, changes: `replaced /spec/template/spec/containers/0/image "busybox:1.36" "busybox:1.37"`},
		{name: "what a run will give is invented for both", replace: []string{"busybox:1.36", "busybox:1.37"}, verdict: preview.Changed, samples: "date",
			changes: `replaced /spec/template/spec/containers/0/image "busybox:1.36" "busybox:1.37"`},
		{name: "a tighter bound breaks it", replace: []string{"maximum: 1024", "maximum: 256"}, values: map[string]any{"date": "d", "memory": int64(512)},
			verdict: preview.Broken, problem: `/memory: variable "memory" must be at most 256, not 512`},
		{name: "a type that changes breaks it", replace: []string{"date: {type: string}", "date: {type: integer}"}, values: map[string]any{"date": "d"},
			verdict: preview.Broken, problem: `/date: variable "date" must be an integer, not a string`},
		{name: "a value that is frozen now breaks it", replace: []string{"job_configuration:", "frozen: {memory: 128}\njob_configuration:"},
			values: map[string]any{"date": "d", "memory": int64(512)}, verdict: preview.Broken, problem: `/memory: "memory" is frozen by the template and cannot be overridden`},
		{name: "a frozen value of the deployment against one of the template breaks it", replace: []string{"job_configuration:", "frozen: {memory: 128}\njob_configuration:"},
			values: map[string]any{"date": "d"}, frozen: map[string]any{"memory": int64(512)}, verdict: preview.Broken,
			problem: `/memory: "memory" is frozen by the template and cannot be overridden`},
		{name: "a variable that is newly required and that nothing sets breaks it", replace: []string{"required: [date]", "required: [date, team]", "    env: {type: object}",
			"    env: {type: object}\n    team: {type: string}", `args: ["{{ date }}"]`, `args: ["{{ date }}", "{{ team }}"]`},
			values: map[string]any{"date": "d"}, verdict: preview.Broken, problem: `/team: variable "team" is required and has no value`},
		{name: "one that was broken and still is", replace: []string{"busybox:1.36", "busybox:1.37"}, values: map[string]any{"date": "d", "memory": "much"},
			verdict: preview.Broken, brokenThen: true, problem: `/memory: variable "memory" must be an integer, not a string`},
		{name: "one that is mended", before: strings.Replace(base, `"{{ memory }}Mi"`, `"{{ memory }}Gobs"`, 1), values: map[string]any{"date": "d"},
			verdict: preview.Changed, brokenThen: true, changes: `replaced  null {`},
		{name: "one whose value the schema refused is mended, though the tree is the same",
			before: strings.Replace(base, "maximum: 1024", "maximum: 256", 1), values: map[string]any{"date": "d", "memory": int64(512)},
			verdict: preview.Changed, brokenThen: true, changes: `replaced  null {`},
		{name: "a looser schema changes nothing for the others",
			before: strings.Replace(base, "maximum: 1024", "maximum: 256", 1), values: map[string]any{"date": "d", "memory": int64(128)},
			verdict: preview.Unchanged},
		{name: "what the template asks of Berth counts", replace: []string{"  env: \"{{ env }}\"", "  env: \"{{ env }}\"\n  job_watch_timeout_seconds: 60"},
			values: map[string]any{"date": "d"}, verdict: preview.Changed, changes: `added /berth null {"timeout_seconds":60}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := base
			if test.before != "" {
				before = test.before
			}
			s := subject("etl", test.values)
			s.Input.DeploymentFrozen = test.frozen
			c := preview.Comparison{
				Before: compiled(t, before),
				After:  compiled(t, strings.NewReplacer(test.replace...).Replace(base)), Details: 1,
			}
			var got preview.Outcome
			sum, err := c.Run(context.Background(), all(s),
				func(o preview.Outcome) error { got = o; return nil })
			if err != nil || sum.Deployments != 1 {
				t.Fatal(sum, err)
			}
			if got.Verdict != test.verdict || got.BrokenBefore != test.brokenThen ||
				strings.Join(got.Samples, " ") != test.samples {
				t.Errorf("got %s, broken before %v, samples %v: %v", got.Verdict, got.BrokenBefore,
					got.Samples, got.Problems)
			}
			if changes := written(t, got.Changes); !strings.HasPrefix(changes, test.changes) ||
				(test.changes == "") != (changes == "") {
				t.Errorf("changes %s\nwant    %s", changes, test.changes)
			}
			if (got.Text != "") != (test.changes != "") {
				t.Errorf("text %q", got.Text)
			}
			if problem := got.Problems.Error(); problem != test.problem {
				t.Errorf("problem %s\nwant    %s", problem, test.problem)
			}
		})
	}
}

func written(t *testing.T, changes []templating.Change) string {
	t.Helper()
	var lines []string
	for _, c := range changes {
		lines = append(lines,
			strings.Join([]string{string(c.Kind), c.Pointer, encoded(t, c.Before), encoded(t, c.After)}, " "))
	}
	return strings.Join(lines, "; ")
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := templating.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheTextIsAUnifiedDiffOfTheJob(t *testing.T) {
	c := preview.Comparison{
		Before: compiled(t, base),
		After:  compiled(t, strings.Replace(base, "busybox:1.36", "busybox:1.37", 1)), Details: 1,
	}
	_, err := c.Run(context.Background(), all(subject("etl", nil)), func(o preview.Outcome) error {
		for _, line := range []string{"--- before\n+++ after\n@@ ", "image: busybox:1.36\n+ ", "image: busybox:1.37\n"} {
			if !strings.Contains(o.Text, line) {
				t.Errorf("no %q in\n%s", line, o.Text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASummaryCountsAllAndDetailsAreBounded(t *testing.T) {
	c := preview.Comparison{Before: compiled(t, base), Details: 2,
		After: compiled(
			t,
			strings.NewReplacer("busybox:1.36", "busybox:1.37", "maximum: 1024", "maximum: 256").
				Replace(base),
		)}
	var subjects []preview.Subject
	for i := range 5 {
		subjects = append(subjects, subject(fmt.Sprint("changed-", i), nil))
	}
	subjects = append(subjects, subject("own", map[string]any{"image": "etl:1"}),
		subject("broken", map[string]any{"memory": int64(512)}),
		subject("was-broken", map[string]any{"memory": int64(2048)}))
	var names []string
	sum, err := c.Run(context.Background(), all(subjects...), func(o preview.Outcome) error {
		names = append(names, o.Deployment)
		return nil
	})
	want := preview.Summary{Deployments: 8, Unchanged: 1, Changed: 5, Broken: 2, NewlyBroken: 1, Detailed: 2}
	if err != nil || sum != want || len(names) != 8 || names[7] != "was-broken" {
		t.Errorf("got %+v of %v, %v", sum, names, err)
	}
}

func TestARunEndsWithTheFirstError(t *testing.T) {
	c := preview.Comparison{Before: compiled(t, base), After: compiled(t, base)}
	broken := errors.New("broken")
	failing := func(yield func(preview.Subject, error) bool) {
		if yield(subject("a", nil), nil) {
			yield(preview.Subject{}, broken)
		}
	}
	if sum, err := c.Run(context.Background(), failing, func(preview.Outcome) error { return nil }); !errors.Is(
		err, broken) ||
		sum.Deployments != 1 {
		t.Errorf("subjects: %+v %v", sum, err)
	}
	if _, err := c.Run(context.Background(), all(subject("a", nil)), func(preview.Outcome) error { return broken }); !errors.Is(
		err, broken,
	) {
		t.Errorf("each: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Run(ctx, all(subject("a", nil)), func(preview.Outcome) error { return nil }); !errors.Is(
		err, context.Canceled,
	) {
		t.Errorf("context: %v", err)
	}
}
