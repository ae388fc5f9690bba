package berthfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

func files(contents map[string]string) berthfile.ReadFile {
	return func(path string) ([]byte, error) {
		if text, ok := contents[path]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("open %s: no such file", path)
	}
}

const good = `pools:
- name: etl
  type: kubernetes
  concurrency_limit: null
  template: template.yaml
variables:
  warehouse: {host: db}
deployments:
- name: nightly
  pool: etl
  parameters: {date: 2026-01-01}
  retries: {max: 2}
`

const goodTemplate = `variables: {} # none yet
job_configuration:
  job_manifest:
    kind: Job
`

func TestAFileBecomesTheRequestThatTheServerTakes(t *testing.T) {
	f, err := berthfile.Load("dir/berth.yaml", berthfile.Source{
		Read: files(map[string]string{"dir/berth.yaml": good, "dir/template.yaml": goodTemplate}),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Request(berthfile.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"deployments":[{"name":"nightly","parameters":{"date":"2026-01-01"},"pool":"etl","retries":{"max":2}}],` +
		`"dry_run":true,` +
		`"pools":[{"base_job_template_source":"variables: {} # none yet\njob_configuration:\n  job_manifest:\n    kind: Job\n","concurrency_limit":null,"name":"etl","type":"kubernetes"}],` +
		`"variables":[{"name":"warehouse","value":{"host":"db"}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAPointerOfTheServerIsFoundInTheFiles(t *testing.T) {
	f, err := berthfile.Load("dir/berth.yaml", berthfile.Source{
		Read: files(map[string]string{"dir/berth.yaml": good, "dir/template.yaml": goodTemplate}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ pointer, want string }{
		{"/deployments/0/parameters/date", "dir/berth.yaml:11:16: deployments.nightly.parameters.date"},
		{"/deployments/0/pool", "dir/berth.yaml:10:3: deployments.nightly.pool"},
		{"/deployments/0/missing", "dir/berth.yaml:9:3: deployments.nightly.missing"},
		{"/deployments/0", "dir/berth.yaml:9:3: deployments.nightly"},
		{"/variables/0/value/host", "dir/berth.yaml:7:15: variables.warehouse.host"},
		{"/pools/0/type", "dir/berth.yaml:3:3: pools.etl.type"},
		{"/pools/0/base_job_template/job_configuration/job_manifest/kind", "dir/template.yaml:4:5: job_configuration.job_manifest.kind"},
		{"/deployments/7/pool", "/deployments/7/pool"},
		{"", ""},
	} {
		if got := f.Locate(test.pointer); got != test.want {
			t.Errorf("Locate(%q) = %q, want %q", test.pointer, got, test.want)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsLineAllAtOnce(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"unknown section", "deployment: {}\n", []string{`berth.yaml:1:1: unknown key "deployment" (did you mean "deployments"?)`}},
		{"unknown keys, two of them", "deployments:\n- name: a\n  pool: p\n  paramters: {}\n  colour: red\n", []string{
			`berth.yaml:4:3: unknown key "paramters" in deployments.a (did you mean "parameters"?)`,
			`berth.yaml:5:3: unknown key "colour" in deployments.a (known are`,
		}},
		{"unknown nested key", "deployments:\n- name: a\n  pool: p\n  retries:\n    maxx: 1\n", []string{`berth.yaml:5:5: unknown key "maxx" in deployments.a.retries (did you mean "max"?)`}},
		{"a map where a list belongs", "deployments:\n  a: {pool: p}\n", []string{"berth.yaml:2:3: deployments must be a list, this is an object"}},
		{"a list where a map belongs", "variables: []\n", []string{"berth.yaml:1:12: variables must be an object, this is a list"}},
		{"no name", "deployments:\n- pool: p\n", []string{"berth.yaml:2:3: deployments[0] has no name"}},
		{"a word where a deployment belongs", "deployments: [etl]\n", []string{"deployments[0] must be an object, this is a string"}},
		{"a name given twice", "deployments:\n- {name: a, pool: p}\n- {name: a, pool: q}\n", []string{`berth.yaml:3:3: duplicate deployments.a`}},
		{"no pool", "deployments:\n- {name: a, queue: q}\n", []string{"berth.yaml:2:3: deployments.a has no pool"}},
		{"a number for a string", "deployments:\n- name: a\n  pool: p\n  version: 1.10\n", []string{"berth.yaml:4:12: deployments.a.version must be a string, this is a number: write it in quotes"}},
		{"a word for a number", "deployments:\n- name: a\n  pool: p\n  timeout_seconds: soon\n", []string{"berth.yaml:4:20: deployments.a.timeout_seconds must be a number, this is a string"}},
		{"a number among tags", "deployments:\n- {name: a, pool: p, tags: [x, 1]}\n", []string{"deployments.a.tags[1] must be a string"}},
		{"a list for parameters", "deployments:\n- {name: a, pool: p, parameters: []}\n", []string{"deployments.a.parameters must be an object, this is a list"}},
		{"a template that is not there", "pools:\n- name: a\n  template: nowhere.yaml\n", []string{"berth.yaml:3:13: open nowhere.yaml: no such file"}},
		{"a template with broken YAML", "pools:\n- name: a\n  template: broken.yaml\n", []string{"broken.yaml:2: "}},
		{"two templates", "pools:\n- {name: a, template: ok.yaml, base_job_template: {}}\n", []string{"has both template and base_job_template"}},
		{"a template in the wrong place", "pools:\n- {name: a, template: {}}\n", []string{"pools.a.template must be a string, this is an object"}},
		{"a word that is none of a few", "deployments:\n- {name: a, pool: p, schedules: [{name: s, cron: '@daily', overlap: forbit}]}\n", []string{
			`berth.yaml:2:69: deployments.a.schedules.s.overlap must be one of allow, forbid, replace, queue, not "forbit" (did you mean "forbid"?)`}},
		{"a fraction of a limit", "deployments:\n- {name: a, pool: p, concurrency_limit: 1.5}\n", []string{"berth.yaml:2:41: deployments.a.concurrency_limit must be a whole number"}},
		{"a boolean among exit codes", "deployments:\n- {name: a, pool: p, retries: {max: 1, 'on': [137, app, true]}}\n", []string{"deployments.a.retries.on[2] must be a number or a string, this is a boolean"}},
		{"a schedule that is misspelt", "deployments:\n- {name: a, pool: p, schedules: [{corn: '@daily'}]}\n", []string{`unknown key "corn" in deployments.a.schedules[0] (did you mean "cron"?)`}},
		{"a queue without a name", "pools:\n- {name: a, queues: [{priority: 1}]}\n", []string{"berth.yaml:2:22: pools.a.queues[0] has no name"}},
		{"not an object", "hello\n", []string{"berth.yaml:1:1: must hold rules, pools, variables or deployments"}},
		{"empty", "", []string{"must hold rules, pools, variables or deployments"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := berthfile.Load("berth.yaml", berthfile.Source{
				Read: files(map[string]string{
					"berth.yaml": test.text, "ok.yaml": "{}", "broken.yaml": "a:\n\tb: [\n",
				}),
			})
			var problems berthfile.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if len(problems) != len(test.want) {
				t.Fatalf("got %d problems: %v", len(problems), problems)
			}
			for i, want := range test.want {
				if got := problems[i].String(); !strings.Contains(got, want) {
					t.Errorf("problem %d: got %q, want %q", i, got, want)
				}
			}
		})
	}
}
