package manifest_test

import (
	"os"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func TestDefaultBaseJobTemplateLintsWithoutErrors(t *testing.T) {
	source, err := os.ReadFile("../testdata/conformance/default-base-job-template.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
	for _, p := range report.Errors {
		t.Errorf("error: %s", p)
	}
	for _, p := range report.Warnings {
		t.Logf("warning: %s", p)
	}
}
