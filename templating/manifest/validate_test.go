package manifest_test

import (
	"errors"
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
			if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Pointer != rule.Pointer() || !strings.Contains(problems[0].Message, rule.Want) {
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
