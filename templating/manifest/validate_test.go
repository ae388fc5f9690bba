package manifest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/manifesttest"
)

func inTemplate(job string) string {
	return "job_configuration:\n  job_manifest:\n    " + strings.ReplaceAll(job, "\n", "\n    ") + "\n"
}

func TestKubernetesRulesThatNeedNoServer(t *testing.T) {
	for _, rule := range manifesttest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			_, err := manifest.Build(render(t, inTemplate(rule.Job()), nil), identity())
			var problems templating.Problems
			if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Pointer != rule.Pointer() ||
				!strings.Contains(problems[0].Message, rule.Want) {
				t.Errorf("got  %v\nwant %s: %s", err, rule.Pointer(), rule.Want)
			}
		})
	}
}

// TestWhatKubernetesTakesIsTaken is the other side: rules must not refuse what works.
func TestWhatKubernetesTakesIsTaken(t *testing.T) {
	for name, pod := range manifesttest.Taken() {
		if _, err := manifest.Build(render(t, inTemplate(manifesttest.Job("", pod)), nil), identity()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProblemHidesNoOtherWhosePlaceOnlyBeginsAlike(t *testing.T) {
	containers := "{name: c0, image: 'a:1'}, {name: c1}"
	for i := 2; i < 10; i++ {
		containers += fmt.Sprintf(", {name: c%d, image: 'a:1'}", i)
	}
	job := manifesttest.Job("", "containers: ["+containers+", {name: c10, image: 5}]")
	_, err := manifest.Build(render(t, inTemplate(job), nil), identity())
	var problems templating.Problems
	const at = "/job_configuration/job_manifest/spec/template/spec/containers/"
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Pointer != at+"1/image" ||
		problems[1].Pointer != at+"10/image" {
		t.Errorf("got %v, want one problem of container 1 and one of container 10", err)
	}
}

// TestNoMoreIsSaidOfAJobThanAnybodyReads holds that the work of saying what is wrong does not go with the
// square of it.
func TestNoMoreIsSaidOfAJobThanAnybodyReads(t *testing.T) {
	many := func(format string) string {
		var b strings.Builder
		for i := range 40_000 {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, pod := range map[string]string{
		"unknown fields":          "containers: [{name: a, image: 'a:1'}], " + many("activeDeadlin%d: 1, "),
		"names that are none":     "containers: [{name: a, image: 'a:1', env: {" + many("'=%d': x, ") + "}}]",
		"wrong types":             "containers: [{name: a, image: 'a:1', args: [" + many("%d, ") + "]}]",
		"wrong types and no name": "containers: [{name: a, image: 'a:1', args: [5, " + many("x%d, ") + "], volumeMounts: [" + many("{name: m%d}, ") + "]}]",
		"containers of nothing":   "containers: [" + many("{name: c%d}, ") + "]",
	} {
		finished, err := manifest.Build(render(t, inTemplate(manifesttest.Job("", pod)), nil), identity())
		if n := len(templating.AsProblems(err)); finished != nil || n == 0 || n > 400 {
			t.Errorf("%s: %d problems", name, n)
		}
	}
}
