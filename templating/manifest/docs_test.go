package manifest_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheTemplatesOfTheLanguagePageLintWithoutAWord(t *testing.T) {
	page, err := os.ReadFile("../../docs/template-language.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllSubmatch(page, -1)
	if len(examples) == 0 {
		t.Fatal("no template on the page")
	}
	for _, match := range examples {
		parsed, err := templating.Parse(match[1])
		if err != nil {
			t.Fatalf("%v in\n%s", err, match[1])
		}
		report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
		for _, p := range append(report.Errors, report.Warnings...) {
			t.Errorf("%s: %s", p.Severity, p)
		}
	}
}
