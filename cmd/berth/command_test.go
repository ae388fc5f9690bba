package main

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestBadInputIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	unknownKey := write(t, dir, "unknown.yaml", "deployments:\n- name: a\n  pool: local\n  paramters: {}\n")
	noPool := write(t, dir, "nopool.yaml", "deployments:\n- name: a\n  pool: nowhere\n")
	brokenTemplate := write(
		t,
		dir,
		"broken-template.yaml",
		"variables: {}\njob_configuration:\n  job_manifest:\n    apiVersion: batch/v1\n    kind: Job\n    spec: {template: {spec: {containers: [{name: job, image: '{{ imgae }}'}]}}}\n",
	)
	withTemplate := write(t, dir, "template-in.yaml",
		"pools:\n- name: fresh\n  type: process\n  template: broken-template.yaml\n")
	list := write(t, dir, "list.yaml", "[1, 2]")
	tab := write(t, dir, "tab.yaml", "a:\n\tb: 1\n")
	none := "00000000-0000-7000-8000-000000000000"
	gone := user{url: "http://127.0.0.1:1", home: t.TempDir()}
	for _, test := range []struct {
		name string
		as   user
		args []string
		code int
		want []string
	}{
		{"an unknown command", u, []string{"frobnicate"}, 2, []string{`has no command "frobnicate"`}},
		{"a misspelt command", u, []string{"pool", "gte", "local"}, 2, []string{`did you mean "get"?`}},
		{"a group without a command", u, []string{"run"}, 2, []string{"berth run needs a command"}},
		{"a flag without a command", u, []string{"--bogus"}, 2, []string{"unknown flag: --bogus"}},
		{"an unknown flag", u, []string{"pool", "ls", "--colour"}, 2, []string{"unknown flag: --colour"}},
		{"an unknown format", u, []string{"pool", "ls", "-o", "xml"}, 2, []string{"must be table, json or yaml"}},
		{"too few arguments", u, []string{"pool", "get"}, 2, []string{"berth pool get needs NAME, got 0 arguments", "usage: berth pool get NAME"}},
		{"too many arguments", u, []string{"pool", "ls", "extra"}, 2, []string{`berth pool ls takes no arguments, got "extra"`}},
		{"a number that is none", u, []string{"run", "ls", "--limit", "x"}, 2, []string{`--limit "x": must be an integer`}},
		{"a flag without its value", u, []string{"run", "ls", "--limit"}, 2, []string{"--limit needs a value"}},
		{"a flag that is missing", u, []string{"queue", "ls"}, 2, []string{"missing flag --pool"}},
		{"a parameter without a value", u, []string{"deployment", "run", "hello", "--param", "name"}, 2, []string{"must be name=value"}},
		{"a parameter that is not declared", u, []string{"deployment", "run", "hello", "--param", "nmae=x"}, 2, []string{"nmae"}},
		{"a parameter of the wrong type", u, []string{"deployment", "run", "hello", "--params", list}, 2, []string{"must be an object"}},
		{"a schedule that is none", u, []string{"schedule", "preview", "--cron", "1 2 3"}, 2, []string{"--cron: ", "five fields"}},
		{"a schedule that is not there", u, []string{"schedule", "pause", "hello"}, 2, []string{`has no schedule "default"`}},
		{"a time that is none", u, []string{"deployment", "run", "hello", "--at", "soon"}, 2, []string{`--at "soon"`}},
		{"a deployment that is not there", u, []string{"deployment", "run", "nobody"}, 2, []string{"nobody"}},
		{"a run that nobody made", u, []string{"run", "get", "x"}, 2, []string{`run "x" does not exist (a prefix needs at least 6 characters); list runs with: berth run ls`}},
		{"the beginning of no id", u, []string{"run", "get", "ffffff"}, 2, []string{`run "ffffff" does not exist`}},
		{"no run at all", u, []string{"run", "get"}, 2, []string{"specify one run by its ID or name"}},
		{"a run that is not there", u, []string{"run", "get", none}, 2, []string{"error: "}},
		{"watching a run that is not there", u, []string{"run", "watch", none}, 2, []string{"error: "}},
		{"logs of a run that is not there", u, []string{"run", "logs", none}, 2, []string{"error: "}},
		{"cancelling nothing in particular", u, []string{"run", "cancel"}, 2, []string{"specify runs by ID or name, or a filter"}},
		{"cancelling a run and a filter", u, []string{"run", "cancel", none, "--pool", "local"}, 2, []string{"either runs or a filter"}},
		{"watching two runs", u, []string{"run", "retry", none, none, "--watch"}, 2, []string{"requires exactly one run"}},
		{"a time that is not past", u, []string{"run", "ls", "--since", "yesterday"}, 2, []string{`--since "yesterday"`, "24h"}},
		{"an order that is none", u, []string{"run", "ls", "--sort", "name"}, 2, []string{`--sort "name"`}},
		{"a state that is none", u, []string{"run", "ls", "--state", "happy"}, 2, []string{`--state "happy"`}},
		{"a pool type that is none", u, []string{"pool", "create", "x", "--type", "cloud"}, 2, []string{"must be kubernetes or process"}},
		{"a pool that is there", u, []string{"pool", "create", "local", "--type", "process"}, 1, []string{"local"}},
		{"a file that is not there", u, []string{"deploy", "-f", filepath.Join(dir, "nix.yaml")}, 2, []string{"no such file"}},
		{"a template file that is not there", u, []string{"pool", "template", "set", "local", "-f", filepath.Join(dir, "nix.yaml")}, 2, []string{"no such file"}},
		{"YAML that is none", u, []string{"pool", "template", "set", "local", "-f", tab}, 2, []string{"tab.yaml: line "}},
		{"an unknown key", u, []string{"deploy", "-f", unknownKey}, 2, []string{`unknown.yaml:4:3: unknown key "paramters" in deployments.a (did you mean "parameters"?)`}},
		{"a pool nobody has", u, []string{"deploy", "-f", noPool}, 2, []string{"nopool.yaml:3:3: deployments.a.pool: ", "nowhere"}},
		{"a template that can not be", u, []string{"deploy", "-f", withTemplate}, 2, []string{"broken-template.yaml:6:55: job_configuration.job_manifest.spec", "imgae"}},
		{"a template that can not be, set", u, []string{"pool", "template", "set", "local", "-f", brokenTemplate}, 2, []string{"/job_configuration/job_manifest/spec/template/spec/containers/0/image", "imgae"}},
		{"a template that can not be, linted", u, []string{"pool", "template", "lint", "local", "-f", brokenTemplate}, 1, nil},
		{"a variable without a value", u, []string{"variable", "set", "x"}, 2, []string{"no value: specify VALUE"}},
		{"a variable name that is none", u, []string{"variable", "set", "a b", "1"}, 2, []string{"error: "}},
		{"nothing to update", u, []string{"pool", "update", "local"}, 2, []string{"nothing to change"}},
		{"a server that is not there", gone, []string{"pool", "ls"}, 1, []string{"cannot reach the server at http://127.0.0.1:1", "berth dev"}},
		{"watching on a server that is not there", gone, []string{"run", "watch", none}, 1, []string{"cannot reach the server"}},
		{"a URL that is none", user{url: "localhost", home: t.TempDir()}, []string{"pool", "ls"}, 2, []string{"is not a server URL"}},
		{"a server without a place for data", u, []string{"server"}, 2, []string{"--data-dir"}},
		{"an authentication that is none", u, []string{"server", "--data-dir", dir, "--auth", "maybe"}, 2, []string{"must be keys or none"}},
		{"a worker of an unknown type", u, []string{"worker", "start", "--pool", "local", "--type", "cloud"}, 2, []string{"must be kubernetes or process"}},
		{"a worker with a limit below nothing", u, []string{"worker", "start", "--pool", "local", "--limit", "-1"}, 2, []string{"must not be negative"}},
		{"a cluster_config without its key", u, []string{"worker", "drain", "--cluster-config", "elsewhere"}, 2, []string{"the name of a Secret, a slash"}},
		{"half a Secret for jobs", u, []string{"worker", "start", "--pool", "local", "--type", "kubernetes", "--job-api-key-secret", "keys"}, 2, []string{"--job-api-key-secret-key"}},
		{"the other half", u, []string{"worker", "start", "--pool", "local", "--type", "kubernetes", "--job-api-key-secret-key", "jobs"}, 2, []string{"also set --job-api-key-secret"}},
		{"two keys for jobs", u, []string{"worker", "start", "--pool", "local", "--type", "kubernetes", "--create-job-api-key-secret", "--job-api-key-secret", "keys", "--job-api-key-secret-key", "jobs"}, 2, []string{"set only one of them"}},
		{"a Secret for processes", u, []string{"worker", "start", "--pool", "local", "--job-api-key-secret", "keys", "--job-api-key-secret-key", "jobs"}, 2, []string{"not supported for workers of type process"}},
		{"a legacy finalizer of Kubernetes' own", u, []string{"worker", "drain", "--legacy-finalizer", "foregroundDeletion"}, 2, []string{"reserved by Kubernetes"}},
		{"rendering a file that is not there", u, []string{"template", "render", "-f", "nix.yaml"}, 2, []string{"no such file"}},
		{"rendering what can not be", u, []string{"template", "render", "-f", brokenTemplate, "--strict"}, 1, []string{"imgae"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := test.as.run(t, test.args...)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d\n%s%s", r.code, test.code, r.stdout, r.stderr)
			}
			demand(t, "standard error", r.stderr, test.want...)
			if test.want != nil && r.stdout != "" {
				t.Errorf("standard output has %q", r.stdout)
			}
		})
	}
}

func TestAFailedRunSaysWhyAndEndsWithOne(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	file := write(
		t,
		t.TempDir(),
		"berth.yaml",
		"deployments:\n- name: three\n  pool: local\n  job_variables:\n    command: [sh, -c, 'echo about to fail; exit 3']\n",
	)
	u.ok(t, "deploy", "-f", file)
	r := u.run(t, "deployment", "run", "three", "--watch")
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "standard output", r.stdout, "about to fail", "FAILED")
	demand(t, "standard error", r.stderr, "error: run ", "exit code 3", "berth run retry ")

	runs := decode[struct{ Items []struct{ ID string } }](t, u, "run", "ls", "--state", "failed")
	if len(runs.Items) != 1 {
		t.Fatalf("run ls --state failed shows %d runs", len(runs.Items))
	}
	id := runs.Items[0].ID
	detail := decode[runDetail](t, u, "run", "get", id)
	if detail.Run.ExitCode == nil || *detail.Run.ExitCode != 3 || detail.Run.Category != "app" {
		t.Errorf("got %+v", detail.Run)
	}
	demand(t, "run explain", u.ok(t, "run", "explain", id), "exit code 3", "next: ")
	if r := u.run(t, "run", "diff", id); r.code != 1 || !strings.Contains(r.stderr, "name the run to compare with") {
		t.Errorf("run diff with none that completed: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "run diff", u.ok(t, "run", "diff", id, id), "earlier", "later", "FAILED", "nothing that Berth knows of differs",
		"the same: template, revision, job variables, parameters")
	if r := u.run(t, "run", "retry", id, "--watch"); r.code != 1 {
		t.Errorf("retry: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if detail := decode[runDetail](t, u, "run", "get", id); len(detail.Attempts) != 2 {
		t.Errorf("after a retry there are %d attempts", len(detail.Attempts))
	}
	lines := strings.Split(strings.TrimSpace(u.run(t, "run", "watch", id, "-o", "json").stdout), "\n")
	if !strings.HasPrefix(lines[0], `{"event":`) || !strings.HasPrefix(lines[len(lines)-1], `{"end":`) {
		t.Errorf("run watch -o json printed\n%s", strings.Join(lines, "\n"))
	}
}

// stopWriter stops the watching when it has seen the text.
type stopWriter struct {
	bytes.Buffer
	text string
	stop func()
}

func (w *stopWriter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.stop()
	}
	return n, err
}

func TestCtrlCEndsTheWatchingAndNotTheRun(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	file := write(
		t,
		t.TempDir(),
		"berth.yaml",
		"deployments:\n- name: long\n  pool: local\n  job_variables:\n    command: [sh, -c, 'echo begun; sleep 60']\n",
	)
	u.ok(t, "deploy", "-f", file)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, stderr := &stopWriter{text: "begun", stop: stop}, &bytes.Buffer{}
	code := runMain(ctx, []string{"deployment", "run", "long", "--watch"}, strings.NewReader(""), stdout,
		stderr, u.environ())
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	demand(t, "standard error", stderr.String(), "the run continues", "berth run cancel ")
	runs := decode[struct {
		Items []struct {
			ID    string
			State struct{ Type string }
		}
	}](t, u, "run", "ls")
	// Its first output may be faster than the word that it runs.
	if len(runs.Items) != 1 ||
		(runs.Items[0].State.Type != "RUNNING" && runs.Items[0].State.Type != "PENDING") {
		t.Fatalf("got %+v", runs.Items)
	}
	r := u.run(t, "run", "cancel", runs.Items[0].ID, "--watch")
	if r.code != 0 {
		t.Errorf("a run that was cancelled as asked for: exit code %d", r.code)
	}
	demand(t, "the end of a cancelled run", r.stdout+r.stderr, "CANCELLED")
	if r := u.run(t, "run", "watch", runs.Items[0].ID); r.code != 1 {
		t.Errorf("watching a run that was cancelled: exit code %d", r.code)
	}
}

var (
	diffLine = regexp.MustCompile(`(?m)^      .*\n`)
	untilDay = regexp.MustCompile(`until \d{4}-\d\d-\d\d \d\d:\d\d\n`)
)

func TestCommandsSayWhatTheyDid(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	file := write(
		t,
		dir,
		"berth.yaml",
		"pools:\n- name: quick\n  type: process\nvariables:\n  place: {city: Bremen}\ndeployments:\n- name: etl\n  pool: quick\n  parameters: {date: 2026-01-01}\n",
	)
	changed := write(t, dir, "changed.yaml",
		"deployments:\n- name: etl\n  pool: quick\n  parameters: {date: 2026-01-02}\n")
	scheduled := write(
		t,
		dir,
		"scheduled.yaml",
		"deployments:\n- name: etl\n  pool: quick\n  schedules:\n  - cron: 30 2 * * *\n    timezone: Europe/Berlin\n",
	)
	for _, step := range []struct {
		args string
		want string
	}{
		{"deploy --dry-run -f " + file, "+ create pool quick\n+ create variable place\n+ create deployment etl\ndry run: 3 changes planned, nothing applied\n"},
		{"deploy -f " + file, "+ create pool quick\n+ create variable place\n+ create deployment etl\n3 changes applied\n"},
		{"deploy -f " + file, "= unchanged pool quick\n= unchanged variable place\n= unchanged deployment etl\nnothing to change\n"},
		{"deploy -f " + changed, "~ update deployment etl: parameters\n1 change applied\n"},
		{"pool ls", "NAME TYPE STATUS SLOTS TEMPLATE CREATED\nlocal process active 0 v1 TIME\nquick process active 0 v1 TIME\n"},
		{"pool update quick --concurrency-limit 0", "pool \"quick\" updated\n"},
		{"pool pause quick", "pool \"quick\" paused\n"},
		{"pool ls", "NAME TYPE STATUS SLOTS TEMPLATE CREATED\nlocal process active 0 v1 TIME\nquick process paused 0/0 v1 TIME\n"},
		{"pool resume quick", "pool \"quick\" resumed\n"},
		{"queue create fast --pool quick --priority 1", "queue \"fast\" of pool \"quick\" created\n"},
		{"queue update fast --pool quick --concurrency-limit 2", "queue \"fast\" of pool \"quick\" updated\n"},
		{"queue pause fast --pool quick", "queue \"fast\" of pool \"quick\" paused\n"},
		{"queue ls --pool quick", "NAME PRIORITY STATUS SLOTS WAITING P95 WAIT OBJECTIVE\ndefault 1 active 0 0 - -\nfast 1 paused by anonymous TIME 0/2 0 - -\n"},
		{"queue resume fast --pool quick", "queue \"fast\" of pool \"quick\" resumed\n"},
		{"queue delete fast --pool quick --yes", "queue \"fast\" of pool \"quick\" deleted; berth queue restore fast --pool quick brings it back until DAY\n"},
		{"deployment ls --pool quick", "NAME POOL QUEUE STATUS VERSION UPDATED\netl quick default active - TIME\n"},
		{"deploy -f " + scheduled, "~ update deployment etl: parameters, schedules\n1 change applied\n"},
		{"schedule ls", "DEPLOYMENT NAME WHEN STATUS NEXT WAITING LAST PROBLEM\netl default every day at 02:30 Europe/Berlin active TIME - - -\n"},
		{"schedule pause etl", "schedule \"default\" of deployment \"etl\" paused\n"},
		{"schedule ls etl", "DEPLOYMENT NAME WHEN STATUS NEXT WAITING LAST PROBLEM\netl default every day at 02:30 Europe/Berlin paused by anonymous TIME - - - -\n"},
		{"schedule resume etl default", "schedule \"default\" of deployment \"etl\" resumed\n"},
		{"schedule preview --cron @daily --after 2026-03-28T12:00:00Z --count 2", "Sun 2026-03-29 00:00:00 +00:00 TIME\nMon 2026-03-30 00:00:00 +00:00 TIME\n"},
		{"deployment pause etl", "deployment \"etl\" paused\n"},
		{"schedule ls etl", "DEPLOYMENT NAME WHEN STATUS NEXT WAITING LAST PROBLEM\netl default every day at 02:30 Europe/Berlin deployment paused by anonymous TIME passes TIME - - -\n"},
		{"variable set port 8080", "variable \"port\" set\n"},
		{"variable set --string zip 01067", "variable \"zip\" set\n"},
		{"variable ls", "NAME VALUE UPDATED\nplace {\"city\":\"Bremen\"} TIME\nport 8080 TIME\nzip \"01067\" TIME\n"},
		{"variable get zip", "01067\n"},
		{"variable delete zip --yes", "variable \"zip\" deleted; berth variable restore zip brings it back until DAY\n"},
		{"pool template versions quick", "VERSION SAVED BY ID COMMENT\n1 TIME ACTOR ID -\n"},
		{"deployment delete etl --yes", "deployment \"etl\" deleted; berth deployment restore etl brings it back until DAY\n"},
		{"pool delete quick --yes", "pool \"quick\" deleted; berth pool restore quick brings it back until DAY\n"},
		{"run ls", ""},
	} {
		r := u.run(t, strings.Fields(step.args)...)
		stdout := untilDay.ReplaceAllString(r.stdout, "until DAY\n")
		got := normal(diffLine.ReplaceAllString(stdout, "")) // the diffs of a plan have a separate test
		if strings.HasPrefix(step.args, "pool template versions") {
			if fields := strings.Fields(got); len(fields) > 7 {
				got = strings.Replace(got, " "+fields[7]+" ", " ACTOR ", 1)
			}
		}
		if r.code != 0 || got != step.want {
			t.Errorf("berth %s: exit code %d, got\n%s%s\nwant\n%s", step.args, r.code, got, r.stderr,
				step.want)
		}
	}
}

func TestATemplateGoesOutAndInUnchanged(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	template := u.ok(t, "pool", "template", "get", "local")
	r := u.runInput(t, template, "pool", "template", "set", "local", "-f", "-")
	if r.code != 0 || r.stdout != "template of pool \"local\" is version 1\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	changed := strings.Replace(template, "title: Command", "title: Program", 1)
	if r := u.runInput(t, changed, "pool", "template", "set", "local", "-f", "-", "--if-version", "7"); r.code != 1 {
		t.Errorf("somebody else's version was overwritten: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := u.runInput(t, changed, "pool", "template", "set", "local", "-f", "-", "--if-version", "1"); r.stdout != "template of pool \"local\" is version 2\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestARunSaysWhatOfItsVariablesTheTemplateDoesNotDeclare(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	at := time.Now().Add(time.Hour).Format(time.RFC3339)
	const want = `the template does not declare a variable "workng_dir" (did you mean "working_dir"?)`
	r := u.run(t, "deployment", "run", "hello", "--at", at, "--job-variable", "workng_dir=/x")
	if r.code != 0 || !strings.Contains(r.stderr, "warning: "+want) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = u.run(t, "deployment", "run", "hello", "--at", "1d", "--job-variable", "workng_dir=/x", "--strict")
	if r.code != 2 || !strings.Contains(r.stderr, want) {
		t.Errorf("with --strict: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = u.run(t, "deployment", "run", "flow/hello")
	if r.code != 2 || !strings.Contains(r.stderr, "names of Berth belong to no flow; write hello, or flow-hello") {
		t.Errorf("a name with a flow: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestTheSameIdempotencyKeyMakesOneRun(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	args := []string{
		"deployment", "run", "hello", "--at", time.Now().Add(time.Hour).Format(time.RFC3339),
		"--idempotency-key", "k",
	}
	first := decode[struct{ ID string }](t, u, append(args, "--param", "name=1")...)
	second := decode[struct{ ID string }](t, u, append(args, "--param", "name=1")...)
	if first.ID == "" || first.ID != second.ID {
		t.Errorf("got %q and %q", first.ID, second.ID)
	}
	demand(t, "deployment run", u.ok(t, append(args, "--param", "name=1")...),
		"exists already with this idempotency key, it is SCHEDULED")
	if r := u.run(t, append(args, "--param", "name=2")...); r.code == 0 {
		t.Error("another body under the same key was taken")
	}
	demand(t, "run explain", u.ok(t, "run", "explain", first.ID), "it is due in ")
	if got := u.ok(t, "run", "cancel", first.ID); !strings.Contains(got, "CANCELLED") {
		t.Errorf("cancel said %q", got)
	}
}
