package manifest

import (
	"os"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

func TestTheExampleOfSecretsRefusesWhatThePoolDoesNotAllow(t *testing.T) {
	text, err := os.ReadFile("../../examples/secrets/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	report := Lint(templating.DefaultRegistry(), parsed, reference.Protected{})
	if len(report.Errors) > 0 || len(report.Warnings) != 1 {
		t.Errorf("lint reports %v and %v, want one warning about extra_secret", report.Errors, report.Warnings)
	}
	allowed := reference.Allowed{Secrets: []reference.Object{{Name: "smtp"}}}
	for _, variables := range []string{``, `database: warehouse-rw`, `extra_secret: smtp`} {
		if err := governed(t, string(text), variables, allowed); err != nil {
			t.Errorf("%s: %v", variables, err)
		}
	}
	wantReference(t, governed(t, string(text), `extra_secret: other`, allowed), `Secret "other"`)
}
