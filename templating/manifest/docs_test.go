package manifest_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// page is the description of the language. All that it claims by example is tried here.
func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/template-language.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheTemplatesOfTheLanguagePageLintWithoutAWord(t *testing.T) {
	examples := example.FindAllStringSubmatch(page(t), -1)
	if len(examples) < 2 {
		t.Fatalf("%d templates on the page", len(examples))
	}
	for _, match := range examples {
		parsed, err := templating.Parse([]byte(match[1]))
		if err != nil {
			t.Fatalf("%v in\n%s", err, match[1])
		}
		report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
		for _, p := range append(report.Errors, report.Warnings...) {
			t.Errorf("%s: %s", p.Severity, p)
		}
	}
}

// tableRows are the cells of the tables on the page that begin with a header.
func tableRows(t *testing.T, header string) [][]string {
	t.Helper()
	var rows [][]string
	inside := false
	for _, line := range strings.Split(page(t), "\n") {
		switch {
		case line == header:
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "| "), " | ")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.Trim(cells[i], "`"), "\x00", "|")
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	v, err := templating.DecodeYAML([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// renderExample renders one value with everything that the page takes for granted.
func renderExample(t *testing.T, written any, layers templating.Layers) (any, bool, error) {
	t.Helper()
	declared := map[string]any{}
	for _, name := range []string{"args", "empty", "env", "gpu", "image", "memory", "name", "nothing", "other", "people", "place", "team", "v"} {
		declared[name] = map[string]any{}
	}
	compiled, err := templating.DefaultRegistry().Compile(&templating.Template{
		Variables: map[string]any{
			"properties": declared,
		}, TemplateEnv: []string{"HTTP_PROXY"}, JobConfiguration: map[string]any{"k": written}})
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := compiled.Render(context.Background(), templating.Input{
		Layers: layers, Stored: map[string]any{"region": "eu"}, Env: map[string]string{"HTTP_PROXY": "proxy:3128"},
		Context: templating.Context{
			Run: templating.RunContext{
				Name: "nightly", Attempt: 1,
				ScheduledTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
				Parameters:    map[string]any{"date": "2026-01-01"},
			},
		},
	})
	if err != nil {
		return nil, false, err
	}
	v, ok := rendered.Configuration["k"]
	return v, ok, nil
}

func TestEveryExampleOfTheLanguagePageBecomesWhatThePageSays(t *testing.T) {
	rows := tableRows(t, "| written | with | becomes |")
	if len(rows) < 30 {
		t.Fatalf("%d examples on the page", len(rows))
	}
	for _, row := range rows {
		t.Run(strings.Join(row, " "), func(t *testing.T) {
			if len(row) != 3 {
				t.Fatalf("%d cells", len(row))
			}
			values, _ := decoded(t, row[1]).(map[string]any)
			got, ok, err := renderExample(t, decoded(t, row[0]), templating.Layers{Deployment: values})
			if want, isError := strings.CutPrefix(row[2], "error: "); isError {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			switch {
			case err != nil:
				t.Error(err)
			case row[2] == "gone":
				if ok {
					t.Errorf("got %v", got)
				}
			case !ok:
				t.Error("it is gone")
			default:
				if diff := cmp.Diff(decoded(t, row[2]), got); diff != "" {
					t.Errorf("(-page +got):\n%s", diff)
				}
			}
		})
	}
}

func TestLevelsAreLaidOverEachOtherAsThePageSays(t *testing.T) {
	rows := tableRows(t, "| deployment | run | `\"{{ v }}\"` or `\"{{ env }}\"` |")
	if len(rows) < 5 {
		t.Fatalf("%d examples on the page", len(rows))
	}
	for _, row := range rows {
		t.Run(strings.Join(row, " "), func(t *testing.T) {
			deployment, _ := decoded(t, row[0]).(map[string]any)
			run, _ := decoded(t, row[1]).(map[string]any)
			name := "{{ " + row[0][:strings.IndexAny(row[0], ":.")] + " }}"
			got, _, err := renderExample(t, name, templating.Layers{Deployment: deployment, Run: run})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, row[2]), got); diff != "" {
				t.Errorf("(-page +got):\n%s", diff)
			}
		})
	}
}
