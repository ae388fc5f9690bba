package filters_test

import (
	"context"
	"os"
	"strings"
	"testing"

	filters "github.com/berth-dev/berth/examples/custom-engine"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/enginetest"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
)

func TestTheEngineIsOne(t *testing.T) { enginetest.Run(t, filters.Engine()) }

func registry(t *testing.T) *templating.Registry {
	t.Helper()
	r, err := templating.NewRegistry(templating.GoTemplateEngine(), templating.PlaceholderEngine(),
		filters.Engine())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parsed(t *testing.T, change ...string) *templating.Template {
	t.Helper()
	source, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse([]byte(strings.NewReplacer(change...).Replace(string(source))))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestPluggingItInTouchesNothingElse takes a template of the engine all the way, by way of a registry alone.
func TestPluggingItInTouchesNothingElse(t *testing.T) {
	if report := templating.Lint(registry(t), parsed(t), manifest.Check); len(report.Errors)+len(
		report.Warnings,
	) > 0 {
		t.Errorf("lint: %v %v", report.Errors, report.Warnings)
	}
	before, err := registry(t).Compile(parsed(t))
	if err != nil {
		t.Fatal(err)
	}
	subject := preview.Subject{Deployment: "etl", Identity: manifest.SampleIdentity()}
	subject.Input.Deployment = map[string]any{"team": "Data Science", "shards": []any{"a", "b", "c"}}
	finished, _, err := preview.Job(context.Background(), before, subject)
	if err != nil {
		t.Fatal(err)
	}
	container := finished.Job.Spec.Template.Spec.Containers[0]
	if container.Image != "registry.example.com/data-science:1.0" ||
		*finished.Job.Spec.ActiveDeadlineSeconds != 3 ||
		container.Args[0] != "a" {
		t.Errorf("got %q %d %v", container.Image, *finished.Job.Spec.ActiveDeadlineSeconds, container.Args)
	}
	after, err := registry(t).Compile(parsed(t, ":1.0", ":1.1"))
	if err != nil {
		t.Fatal(err)
	}
	subjects := func(yield func(preview.Subject, error) bool) { yield(subject, nil) }
	sum, err := preview.Comparison{
		Before: before, After: after, Details: 1,
	}.Run(context.Background(), subjects, func(o preview.Outcome) error {
		if len(o.Changes) != 1 || o.Changes[0].After != "registry.example.com/data-science:1.1" {
			t.Errorf("changes %v", o.Changes)
		}
		return nil
	})
	if err != nil || sum.Changed != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	if _, err := templating.DefaultRegistry().Compile(parsed(t)); err == nil ||
		!strings.Contains(err.Error(), `unknown engine "filters"`) {
		t.Errorf("a registry without it took the template: %v", err)
	}
}

func TestFiltersAreRefusedWithTheirPlace(t *testing.T) {
	for _, test := range []struct{ name, from, to, want string }{
		{"one that does not exist, with what was likely meant", "team | slug", "team | slgu",
			`/job_configuration/job_manifest/spec/template/spec/containers/0/image:1:32: there is no filter "slgu" (did you mean slug?)`},
		{"an undeclared name", "team | slug", "taem | slug",
			`/job_configuration/job_manifest/spec/template/spec/containers/0/image:1:22: "taem" is not declared in variables (did you mean "team"?)`},
		{"a list inside text", "team | slug", "shards | slug",
			`/job_configuration/job_manifest/spec/template/spec/containers/0/image:1:22: shards: an object or a list cannot be part of a longer string`},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := templating.Lint(registry(t), parsed(t, test.from, test.to), manifest.Check)
			var said []string
			for _, p := range report.Errors {
				said = append(said, p.String())
			}
			if len(said) == 0 || said[0] != test.want {
				t.Errorf("got  %q\nwant %q", said, test.want)
			}
		})
	}
}

func TestFiltersPayForWhatTheyBuild(t *testing.T) {
	program, err := filters.Engine().
		Compile(map[string]any{"k": strings.Repeat("{{ text | upper }}", 100)}, templating.Declarations{Pointer: "/tree"})
	if err != nil {
		t.Fatal(err)
	}
	given := &templating.Values{
		Variables: map[string]any{"text": strings.Repeat("x", 1000)},
		Limits:    templating.Limits{Alloc: 50_000},
	}
	_, err = program.Render(context.Background(), given)
	if problems := templating.AsProblems(err); len(problems) != 1 ||
		problems[0].Code != templating.CodeLimit ||
		problems[0].Pointer != "/tree/k" {
		t.Errorf("got %v", err)
	}
}
