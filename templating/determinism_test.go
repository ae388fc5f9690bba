package templating_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating"
)

// everythingTemplate has something of all that could differ between two renders.
const everythingTemplate = `
variables:
  properties:
    image: {type: string, default: "busybox:1.36"}
    env: {type: object, default: {A: "1", B: "2", C: "3"}}
    sizes: {default: {z: 1, y: {k: 2}, x: [3, 4.0]}}
    count: {default: 7}
template_env: [PROXY]
job_configuration:
  env: {PROXY: "{{ $PROXY }}", ID: "{{ (uuidv4) }}"}
  first: "{{ (uuidv4) }}"
  second: "{{ (uuidv4) }}{{ (uuidv4) }}"
  when: '{{ now | dateModify "1h" | date "2006-01-02T15:04" }}'
  keys: "{{ keys .sizes | join \",\" }}"
  values: "{{ range $k, $v := .sizes }}{{ $k }}{{ end }}"
  yaml: "{{ toYaml .sizes }}"
  json: "{{ toJson .sizes }}!"
  merged: '{{ merge (dict "y" (dict "l" 1)) .sizes }}'
  all: "{{ toJson . | sha256sum }}"
  run: "{{ ctx.run.name }}-{{ ctx.run.attempt }}"
  job_manifest: |
    {{- define "labels" }}
    {{- range $k, $v := .env }}
      {{ $k }}: {{ $v | quote }}
    {{- end }}
    {{- end }}
    metadata:
      labels: {{ include "labels" . }}
      annotations: {id: {{ uuidv4 }}}
`

func everythingInput() templating.Input {
	return templating.Input{
		Layers: templating.Layers{
			Deployment: map[string]any{
				"env": map[string]any{"D": "4", "E": "5"},
			}, Run: map[string]any{"env.F": "6", "count": int64(8)},
		},
		Env: map[string]string{"PROXY": "p"},
		Context: templating.Context{Run: templating.RunContext{
			ID: "0197b8f0-1234-7abc-9def-0123456789ab", Name: "nightly", Attempt: 3, ScheduledTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		}},
	}
}

func renderEverything(c *templating.Compiled) ([]byte, error) {
	rendered, err := c.Render(context.Background(), everythingInput())
	if err != nil {
		return nil, err
	}
	return templating.EncodeJSON(rendered.Configuration)
}

// childEnv makes the test binary a process that only renders and prints.
const childEnv = "TEMPLATING_RENDER_CHILD"

func TestTheSameInputGivesTheSameBytesAnywhere(t *testing.T) {
	c := compiled(t, everythingTemplate)
	want, err := renderEverything(c)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(childEnv) != "" {
		if _, err := os.Stdout.Write(append(want, '\n')); err != nil {
			t.Fatal(err)
		}
		return
	}
	others := []*templating.Compiled{c, compiled(t, everythingTemplate), compiled(t, everythingTemplate)}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for range 50 {
				got, err := renderEverything(others[random.IntN(len(others))])
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("rendered\n%s (%v), want\n%s", got, err, want)
					return
				}
			}
		})
	}
	group.Wait()
	for _, zone := range []string{"UTC", "America/New_York"} {
		child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), childEnv+"=1", "TZ="+zone)
		out, err := child.Output()
		if err != nil {
			t.Fatalf("child: %v", err)
		}
		if got, _, _ := bytes.Cut(out, []byte("\n")); !bytes.Equal(got, want) {
			t.Errorf("in another process, zone %s:\n%s, want\n%s", zone, got, want)
		}
	}
}

func TestIdsDifferByPlaceAttemptAndRun(t *testing.T) {
	c := compiled(t,
		`{job_configuration: {a: "{{ (uuidv4) }}", b: "{{ (uuidv4) }}", c: "{{ (uuidv4) }} {{ (uuidv4) }}"}}`)
	seen := map[string]bool{}
	for _, run := range []templating.RunContext{{ID: "r1", Attempt: 1}, {ID: "r1", Attempt: 2}, {ID: "r2", Attempt: 1}} {
		rendered, err := c.Render(context.Background(),
			templating.Input{Context: templating.Context{Run: run}})
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range rendered.Configuration {
			text, _ := v.(string)
			if key == "c" && text[:36] == text[37:] {
				t.Errorf("two ids of one leaf are the same: %s", text)
			}
			if seen[text] {
				t.Errorf("%s of %+v was there before: %s", key, run, text)
			}
			seen[text] = true
		}
	}
}
