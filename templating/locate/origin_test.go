package locate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// origins returns for each line of the sample Job of a template the lines that it comes from: "memory: 64Mi" → 5,25.
func origins(t *testing.T, text string) map[string]string {
	t.Helper()
	value, err := yamldoc.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	document, err := value.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if compiled == nil {
		t.Fatal(err)
	}
	finished, _, err := preview.Job(context.Background(), compiled, preview.Subject{Identity: manifest.SampleIdentity()})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := preview.Document(finished)
	if err != nil {
		t.Fatal(err)
	}
	job, err := templating.EncodeYAML(tree)
	if err != nil {
		t.Fatal(err)
	}
	lines, found := strings.Split(string(job), "\n"), map[string]string{}
	for _, line := range lines {
		found[strings.TrimLeft(line, " -")] = ""
	}
	for _, one := range locate.New([]byte(text)).Origins(job, compiled.References()) {
		if !slices.IsSorted(one.From) {
			t.Errorf("%v is not in order", one.From)
		}
		found[strings.TrimLeft(lines[one.Line-1], " -")] = strings.Trim(strings.ReplaceAll(fmt.Sprint(one.From), " ", ","), "[]")
	}
	return found
}

func TestALineOfTheJobComesFromTheLinesThatMadeIt(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want map[string]string
	}{
		"a manifest": {`variables:
  type: object
  properties:
    memory: {type: string, default: 64Mi}
    extra: {type: string}
    limits:
      type: object
      default: {cpu: "1"}
job_configuration:
  labels: {team: data}
  env: {STAGE: test}
  job_manifest:
    spec:
      template:
        spec:
          nodeSelector: "{{ limits }}"
          containers:
          - name: job
            image: a:1
            args:
            - "{{ extra }}"
            - second
            - |
              one {{ memory }}
              two
            resources: {limits: {memory: "{{ memory }}"}}
          - name: other
            image: b:1
`, map[string]string{
			"image: a:1": "19", "image: b:1": "28", "name: other": "27", "second": "22", "memory: 64Mi": "4,26", "limits:": "4,26",
			"nodeSelector:": "6,7,8,16", `cpu: "1"`: "6,7,8,16", "team: data": "10", "value: test": "11", "one 64Mi": "4,23,24,25", "two": "4,23,24,25",
			"restartPolicy: Never": "", "berth.dev/run-name: sample": "",
		}},
		"a manifest that is one text": {`variables:
  properties:
    image: {type: string, default: 'a:1'}
    dir: {type: string}
job_configuration:
  job_manifest: |
    spec:
      template:
        spec:
          containers:
          - name: job
            image: {{ .image }}
            {{- if .dir }}
            workingDir: {{ .dir }}
            {{- end }}
            tty: true
`, map[string]string{"image: a:1": "3,12", "tty: true": "16", "name: job": "11"}},
		"JSON": {`{"variables": {"properties": {
  "image": {"type": "string", "default": "a:1"}}},
 "job_configuration": {"job_manifest": {"spec": {"template": {"spec": {"containers": [
  {"name": "job",
   "image": "{{ image }}"}]}}}}}}`, map[string]string{"image: a:1": "2,5", "name: job": "4"}},
		"an anchor": {`variables: {properties: {}}
job_configuration:
  job_manifest:
    spec:
      template:
        spec:
          containers:
          - name: job
            image: a:1
            resources:
              limits: &size
                cpu: "2"
              requests: *size
`, map[string]string{`cpu: "2"`: "12", "requests:": "13"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := origins(t, test.text)
			for line, want := range test.want {
				if got, there := found[line]; got != want {
					t.Errorf("%q (in the Job: %t) comes from %q, want %q", line, there, got, want)
				}
			}
		})
	}
}

func TestWhatIsNoTemplateHasNoOrigins(t *testing.T) {
	for _, text := range []string{"", "a: [", "[]", "job_configuration: 5", "job_configuration: {job_manifest: }", "job_configuration: &a {job_manifest: *a}"} {
		for _, job := range []string{"", "a: [", "spec: {template: 1}\n"} {
			s := locate.New([]byte(text))
			if found := s.Origins([]byte(job), nil); len(found) > 0 && !strings.Contains(text, "job_manifest") {
				t.Errorf("%q: %v", text, found)
			}
			s.Defaults()
		}
	}
}

func TestADefaultIsReplacedInItsPlace(t *testing.T) {
	text := `variables:
  properties:
    plain: {type: string, default: 64Mi, description: x}  # small
    single:
      type: string
      default: 'it''s'
    "double": {"type": "string", "default": "a\"b # c"}
    number: {default: 5}
    list: {default: [a, "]", 'b'] , type: array}
    none: {type: string}
    json: {"type": "string"}
    empty: {}
    lines:
      type: string
    block:
      default: |
        two
        lines
    nested:
      default:
        a: 1
    anchored: &a {default: 1}
    alias: *a
    münze: {title: "€ ", default: 'ü'}
`
	s := locate.New([]byte(text))
	lines := strings.Split(text, "\n")
	want := map[string]string{
		"plain": "64Mi", "single": "'it''s'", "double": `"a\"b # c"`, "number": "5", "list": `[a, "]", 'b']`, "none": "default: |, ",
		"json": `"default": |, `, "empty": "default: |", "lines": "default: |\n      ", "block": "", "nested": "", "anchored": "1", "alias": "", "münze": "'ü'",
	}
	for _, d := range s.Defaults() {
		got := ""
		if d.Place.Line > 0 {
			line := []rune(lines[d.Place.Line-1])
			got = string(line[d.Place.Column-1 : d.Place.Column-1+d.Place.Length])
			if d.Before != "" {
				got += d.Before + "|" + d.After
			}
			changed := slices.Clone(lines)
			changed[d.Place.Line-1] = string(line[:d.Place.Column-1]) + d.Before + `"new"` + d.After + string(line[d.Place.Column-1+d.Place.Length:])
			value, err := yamldoc.Parse([]byte(strings.Join(changed, "\n")))
			if err != nil {
				t.Errorf("%s: %v", d.Variable, err)
			} else if fresh := value.Get("variables").Get("properties").Get(d.Variable).Get("default"); fresh == nil || fresh.Text() != "new" {
				t.Errorf("%s: the default is %+v", d.Variable, fresh)
			}
		}
		if expected, there := want[d.Variable]; !there || got != expected {
			t.Errorf("%s: %q, want %q", d.Variable, got, expected)
		}
		delete(want, d.Variable)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}
