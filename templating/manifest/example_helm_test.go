package manifest_test

import (
	"os"
	"testing"

	"github.com/berth-dev/berth/templating/manifest"
)

func TestTheJobOfAHelmChartRunsAlmostUnedited(t *testing.T) {
	const file = "../../examples/helm-job/template.yaml"
	report := lint(t, file)
	for _, p := range report.Errors {
		t.Errorf("lint: %s", p)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Build(render(t, string(source), map[string]any{
		"env": map[string]any{"WHO": "ada"},
	}), identity())
	if err != nil {
		t.Fatal(err)
	}
	container := f.Job.Spec.Template.Spec.Containers[0]
	if container.Name != "report" || container.Image != "busybox:1.36" || len(container.Args) != 2 {
		t.Errorf("container %s of %s with %v", container.Name, container.Image, container.Args)
	}
	if got, want := envOf(f), "GREETING=hello report WHO=ada"; got != want {
		t.Errorf("environment %s, want %s", got, want)
	}
	if f.Job.Labels["app.kubernetes.io/version"] != "4.5" || f.Job.Spec.Template.Labels["app.kubernetes.io/name"] != "report" {
		t.Errorf("labels %v", f.Job.Labels)
	}
}
