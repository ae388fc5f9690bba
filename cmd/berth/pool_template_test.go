package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/command/pool"
	"github.com/berth-dev/berth/templating"
)

// governed is a template for a process pool; tests change it.
const governed = `variables:
  properties:
    greeting: {type: string, default: hello, maxLength: 20}
    team: {type: string}
job_configuration:
  job_manifest:
    spec:
      template:
        spec:
          containers:
          - name: job
            image: none
            command: ["echo", "{{ greeting }}", "{{ team }}"]
            resources: {limits: {memory: 64Mi}}
`

// governedPool makes a pool with that template and two deployments.
func governedPool(t *testing.T) user {
	t.Helper()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	write(t, dir, "governed.yaml", governed)
	u.ok(t, "deploy", "-f", write(t, dir, "berth.yaml", `pools:
- {name: governed, type: process, template: governed.yaml}
deployments:
- {name: own, pool: governed, job_variables: {greeting: a longer greeting}}
- {name: plain, pool: governed, job_variables: {team: data}}
`))
	return u
}

func TestAChangeOfATemplateIsSeenBeforeItIsSaved(t *testing.T) {
	t.Parallel()
	u := governedPool(t)
	changed := write(
		t,
		t.TempDir(),
		"changed.yaml",
		strings.NewReplacer("default: hello", "default: hi", "maxLength: 20", "maxLength: 9").
			Replace(governed),
	)
	diff := u.run(t, "pool", "template", "diff", "governed", "-f", changed, "--jobs")
	if diff.code != 1 {
		t.Errorf("a change that breaks a deployment ends with %d, so that CI does not stop", diff.code)
	}
	demand(t, "diff", diff.stdout, "-    greeting: {type: string, default: hello, maxLength: 20}", "+    greeting: {type: string, default: hi, maxLength: 9}",
		"2 deployments: 0 unchanged, 1 changed, 1 broken, 1 of them by this change", "broken   own",
		`variable "greeting"`, "changed  plain", "-            - hello", "+            - hi")
	if again := u.run(t, "pool", "template", "diff", "governed", "-f", changed, "--jobs"); again.stdout != diff.stdout {
		t.Error("the same question has another answer")
	}
	var change pool.TemplateChange
	document := u.run(t, "pool", "template", "diff", "governed", "-f", changed, "-o", "json")
	if err := json.Unmarshal([]byte(document.stdout), &change); err != nil || document.code != 1 {
		t.Errorf("as a document: exit code %d, %v", document.code, err)
	}
	if len(change.Diff.Changes) != 2 || len(change.Impact.Items) != 2 ||
		change.Impact.Summary.NewlyBroken != 1 {
		t.Errorf("got %+v", change)
	}
	if r := u.run(t, "pool", "template", "set", "governed", "-f", changed, "--require-unbroken"); r.code == 0 ||
		!strings.Contains(r.stderr, "own") {
		t.Errorf("a save that breaks: exit code %d\n%s", r.code, r.stderr)
	}
	saved := u.run(t, "pool", "template", "set", "governed", "-f", changed)
	demand(t, "set", saved.stderr, "1 of them by this change",
		"berth pool template diff governed --from 1 --to 2")
	demand(t, "diff of versions", u.run(t, "pool", "template", "diff", "governed").stdout, "default: hi")
	back := u.run(t, "pool", "template", "rollback", "governed", "--to", "1")
	demand(t, "rollback", back.stdout, `template of pool "governed" is version 3`)
	if got, want := u.ok(t, "pool", "template", "get", "governed"), u.ok(t, "pool", "template", "get", "governed", "--version", "1"); got != want {
		t.Errorf("version 3 is\n%s\nwant\n%s", got, want)
	}
	if r := u.run(t, "pool", "template", "rollback", "governed", "--to", "9"); r.code != 2 {
		t.Errorf("a version that is not there: exit code %d\n%s", r.code, r.stderr)
	}
}

func TestAPreviewIsTheJobOfADeployment(t *testing.T) {
	t.Parallel()
	u := governedPool(t)
	out := u.ok(t, "pool", "template", "preview", "governed", "--deployment", "own", "--job-variable",
		"team=ml")
	demand(t, "preview", out, "kind: Job", "- a longer greeting", "- ml", "berth.dev/deployment: own")
	r := u.run(t, "pool", "template", "preview", "governed", "--variables",
		write(t, t.TempDir(), "variables.yaml", "greeting: 7\n"))
	if r.code != 1 || r.stdout != "" {
		t.Errorf("a value of the wrong type: exit code %d\n%s", r.code, r.stdout)
	}
	demand(t, "standard error", r.stderr, `variable "greeting" must be a string`)
	file := write(t, t.TempDir(), "t.yaml",
		strings.Replace(governed, "{{ greeting }}", "{{ .greeting | upper }}", 1))
	demand(t, "preview of a file",
		u.ok(t, "pool", "template", "preview", "governed", "-f", file, "--deployment", "own"),
		"- A LONGER GREETING")
}

func TestATemplateThatIsReadAndSetAgainIsTheSame(t *testing.T) {
	t.Parallel()
	u := governedPool(t)
	source := strings.Replace(governed, "  properties:\n", `  properties: # and more
    ratio: {default: 2.0}
    word: {default: "yes"}
    time: {default: "12:30"}
    day: {default: 2026-01-01}
    mode: {default: "0o7"}
    exponent: {default: "1e3"}
    large: {default: 9007199254740993}
    lines: {default: "a\n\n  b\n"}
`, 1)
	file := write(t, t.TempDir(), "t.yaml", source)
	u.ok(t, "pool", "template", "set", "governed", "-f", file)
	read := func() string {
		document := u.ok(t, "pool", "template", "get", "governed", "-o", "json")
		parsed, err := templating.Parse([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := parsed.JSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(canonical)
	}
	before := read()
	demand(t, "the template", before, `"default":2.0`)
	again := write(t, t.TempDir(), "again.yaml", u.ok(t, "pool", "template", "get", "governed", "-o", "yaml"))
	u.ok(t, "pool", "template", "set", "governed", "-f", again)
	if after := read(); after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}
	var change pool.TemplateChange
	if err := json.Unmarshal([]byte(u.ok(t, "pool", "template", "diff", "governed", "-o", "json")), &change); err != nil ||
		len(change.Diff.Changes) != 0 || *change.Diff.ToVersion != 3 {
		t.Errorf("the template in other words differs: %v, %+v", err, change.Diff)
	}
	if text := u.ok(t, "pool", "template", "get", "governed", "--version", "2"); text != source {
		t.Errorf("the text has come back as\n%s", text)
	}
	demand(t, "a template and itself", u.ok(t, "pool", "template", "diff", "governed", "--from", "2", "--to", "2"),
		"the templates do not differ")
}

func TestAnEditIsCheckedShownAndSaved(t *testing.T) {
	t.Parallel()
	u := governedPool(t)
	edit := func(script, answer string, args ...string) result {
		return u.runEnv(t, answer, []string{"TMPDIR=" + t.TempDir(), "EDITOR=sed -i -e '" + script + "'"},
			append([]string{"pool", "template", "edit", "governed"}, args...)...)
	}
	r := edit("s/default: hello/default: hi/", "y\n")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "edit", r.stdout, "-    greeting: {type: string, default: hello, maxLength: 20}", "1 unchanged, 1 changed, 0 broken", "is version 2")
	if r := edit("s/default: hi/default: hey/", "n\n"); r.code != 1 ||
		!strings.Contains(r.stderr, "your changes are saved in") {
		t.Errorf("no: exit code %d\n%s", r.code, r.stderr)
	}
	if r := edit("s/nothing/at all/", ""); r.code != 0 || !strings.Contains(r.stdout, "nothing to save") {
		t.Errorf("nothing changed: exit code %d\n%s", r.code, r.stdout)
	}
	// The first time the editor breaks the template, the second time it finds what was wrong on top and mends
	// it.
	r = edit("/^# berth: .*greting/,$ s/{{ greting }}/{{ greeting }}!/; t; s/{{ greeting }}/{{ greting }}/",
		"", "--yes")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "the mended template", u.ok(t, "pool", "template", "get", "governed"), "{{ greeting }}!")
	if r := u.runEnv(t, "", []string{"EDITOR=false", "TMPDIR=" + t.TempDir()}, "pool", "template", "edit", "governed"); r.code != 1 ||
		!strings.Contains(r.stderr, "set EDITOR to another") {
		t.Errorf("an editor that fails: exit code %d\n%s", r.code, r.stderr)
	}
	if r := u.runEnv(t, "", []string{"EDITOR=nobody-has-this-editor", "TMPDIR=" + t.TempDir()}, "pool", "template", "edit", "governed"); r.code != 1 ||
		strings.Contains(r.stderr, "are saved in") {
		t.Errorf("an editor that is not there: exit code %d\n%s", r.code, r.stderr)
	}
	broken := edit("s/{{ greeting }}/{{ greting }}/", "")
	_, file, kept := strings.Cut(strings.TrimSpace(broken.stderr[:strings.Index(broken.stderr+"\n", "\n")]),
		"your changes are saved in ")
	if text, err := os.ReadFile(file); broken.code != 1 || !kept || err != nil ||
		!strings.Contains(string(text), "{{ greting }}") {
		t.Errorf("a broken template that is given up: exit code %d, kept %q (%v)\n%s", broken.code, text, err,
			broken.stderr)
	}
	versions := decode[struct{ Items []struct{ Version int32 } }](t, u, "pool", "template", "versions",
		"governed", "-o", "json")
	if len(versions.Items) != 3 {
		t.Errorf("%d versions", len(versions.Items))
	}
}

// TestAnAssignmentMeansTheSameInEveryCommand gives a declared text that is JSON too, and an object where one is
// declared.
func TestAnAssignmentMeansTheSameInEveryCommand(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	file := write(t, t.TempDir(), "t.yaml", u.ok(t, "pool", "template", "get", "local"))
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml",
		"deployments: [{name: d, pool: local, job_variables: {command: [\"true\"]}}]\n"))
	const text, object = `env.CONFIG={"a": 1}`, `env={"CONFIG": "{\"a\": 1}"}`
	for _, assignment := range []string{text, object} {
		for name, job := range map[string]string{
			"preview": u.ok(t, "pool", "template", "preview", "local", "--deployment", "d", "--job-variable", assignment),
			"preview of a file": u.ok(t, "pool", "template", "preview", "local", "-f", file, "--deployment", "d",
				"--job-variable", assignment),
			"render": u.ok(t, "template", "render", "-f", file, "--job", "--set", assignment, "--set", `command=["true"]`),
		} {
			demand(t, name, job, "name: CONFIG", `value: '{"a": 1}'`)
		}
	}
	run := decode[struct {
		JobVariables map[string]any `json:"job_variables"`
	}](t, u, "deployment", "run", "d", "--job-variable", text, "--at", "1h")
	if run.JobVariables["env.CONFIG"] != `{"a": 1}` {
		t.Errorf("the run has %v", run.JobVariables)
	}
}
