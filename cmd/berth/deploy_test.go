package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

const first = `project: etl
pools:
- name: quick
  type: process
  queues: [{name: fast, priority: 1}]
variables: {place: Bremen}
deployments:
- name: etl
  pool: quick
  parameters: {rows: 1000, date: 2026-01-01}
  schedules: [{name: nightly, cron: 0 4 * * *}]
- name: old
  pool: quick
`

const second = `project: etl
pools:
- name: quick
  concurrency_limit: 3
variables: {place: Hamburg}
deployments:
- name: etl
  pool: quick
  parameters: {rows: 2000, date: 2026-01-01}
  schedules: [{name: nightly, cron: 0 5 * * *}]
`

const secondPlan = `~ update pool quick: concurrency_limit
      -concurrency_limit: null
      +concurrency_limit: 3
~ update variable place: value
~ update deployment etl: parameters, schedules
       job_variables: {}
       parameters:
         date: "2026-01-01"
      -  rows: 1000
      +  rows: 2000
       pool: quick
       queue: default
       retries:
      …
         max: 0
       schedules:
         - active: true
      -    cron: 0 4 * * *
      +    cron: 0 5 * * *
           name: nightly
       tags: []
       version: ""
- delete deployment old, with its runs
`

func TestAPlanIsShownBeforeItIsCarriedOut(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	one, two := write(t, dir, "one.yaml", first), write(t, dir, "two.yaml", second)
	if got, want := u.ok(t, "deploy", "-f", one), `+ create pool quick
+ create queue quick/fast
+ create variable place
+ create deployment etl
+ create deployment old
5 changes applied
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := u.ok(t, "deploy", "-f", two, "--prune", "--dry-run"), secondPlan+"dry run: 4 changes planned, nothing applied\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// On a terminal the command asks, and deleting takes an explicit yes.
	refused := newTerminal(t, 80)
	wait := u.in(refused, t.Context(), "deploy", "-f", two, "--prune")
	refused.answer("apply 4 changes, including 1 deletion? [y/N] ", "\n")
	if code := wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	refused.await("nothing changed")
	u.ok(t, "deployment", "get", "old")

	agreed := newTerminal(t, 80)
	wait = u.in(agreed, t.Context(), "deploy", "-f", two, "--prune")
	agreed.answer("[y/N] ", "perhaps\n")
	agreed.answer("perhaps\napply 4 changes, including 1 deletion? [y/N] ", "y\n")
	if code := wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	agreed.await(secondPlan)
	agreed.await("4 changes applied")
	if r := u.run(t, "deployment", "get", "old"); r.code != 2 {
		t.Errorf("what was pruned is there: %s", r.stdout)
	}
	if got := u.ok(t, "deploy", "-f", two); !strings.HasSuffix(got, "nothing to change\n") {
		t.Errorf("got\n%s", got)
	}

	// Without a deletion Enter is enough, --yes does not ask, and Ctrl-C is a no.
	enter := newTerminal(t, 80)
	wait = u.in(enter, t.Context(), "deploy", "-f", one)
	enter.answer("apply 3 changes? [Y/n] ", "\n")
	if code := wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, enter.text())
	}
	sure := newTerminal(t, 80)
	if code := u.in(sure, t.Context(), "deploy", "-f", two, "--yes")(); code != 0 ||
		strings.Contains(sure.text(), "?") {
		t.Errorf("exit code %d:\n%s", code, sure.text())
	}
	stopped := newTerminal(t, 80)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait = u.in(stopped, ctx, "deploy", "-f", one)
	stopped.await("[Y/n] ")
	stop()
	if code := wait(); code != 1 {
		t.Errorf("exit code %d:\n%s", code, stopped.text())
	}
	stopped.answer("", "\n") // ends the reading
}

func TestAPlanAsADocument(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	u.ok(t, "deploy", "-f", write(t, dir, "one.yaml", first))
	plan := decode[api.ApplyResult](t, u, "deploy", "-f", write(t, dir, "two.yaml", second), "--dry-run")
	if !plan.DryRun || plan.Plan == "" || len(plan.Changes) != 3 || plan.Changes[2].Diff == nil ||
		len(*plan.Changes[2].Diff) != 2 {
		t.Errorf("got %+v", plan)
	}
}

// faster deploys something else in the moment between a plan and its being carried out, so many times.
type faster struct {
	next  http.RoundTripper
	times int
	other func()
}

func (f *faster) RoundTrip(r *http.Request) (*http.Response, error) {
	var body struct {
		Plan string `json:"plan"`
	}
	if r.GetBody != nil {
		reader, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		if err := json.NewDecoder(reader).Decode(&body); err != nil {
			return nil, err
		}
	}
	if body.Plan != "" && f.times > 0 {
		f.times--
		f.other()
	}
	return f.next.RoundTrip(r)
}

func TestWhenSomebodyElseIsFasterThePlanIsShownAnew(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	one, two := write(t, dir, "one.yaml", first), write(t, dir, "two.yaml", second)
	other := write(t, dir, "other.yaml", strings.Replace(first, "rows: 1000", "rows: 1500", 1))
	u.ok(t, "deploy", "-f", one)
	transport := &faster{
		next: http.DefaultTransport, times: 1, other: func() { u.ok(t, "deploy", "-f", other) },
	}
	var stdout, stderr strings.Builder
	app := &cli.App{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr,
		Env: cli.Environ(u.environ()), Transport: transport,
	}
	if code := app.Execute(t.Context(), rootCommand(app), []string{"deploy", "-f", two}); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	demand(t, "standard error", stderr.String(), "the server changed in the meantime; this is the new plan:")
	before, after := strings.Index(stdout.String(), "-  rows: 1000"), strings.Index(stdout.String(),
		"-  rows: 1500")
	if before < 0 || after < before || !strings.HasSuffix(stdout.String(), "3 changes applied\n") {
		t.Errorf("got\n%s", &stdout)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()

	// Who is always slower is told so in the end, and has changed nothing.
	u.ok(t, "deploy", "-f", one)
	n := 0
	transport.times, transport.other = 100, func() {
		n++
		u.ok(
			t,
			"deploy",
			"-f",
			write(t, dir, "other.yaml",
				strings.Replace(first, "rows: 1000", "rows: "+strings.Repeat("9", n), 1)),
		)
	}
	stderr.Reset()
	if code := app.Execute(t.Context(), rootCommand(app), []string{"deploy", "-f", two}); code != 1 {
		t.Errorf("exit code %d", code)
	}
	demand(t, "standard error", stderr.String(), "error: the plan is out of date")
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestDeploySchemaPrintsTheSchemaOfTheDocumentation(t *testing.T) {
	committed, err := os.ReadFile("../../docs/berth.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := (user{home: t.TempDir()}).ok(t, "deploy", "schema"); got != string(committed) {
		t.Error("it is another one")
	}
}

func TestWhereThereIsNoBerthYAMLAPrefectYAMLIsPointedAt(t *testing.T) {
	t.Chdir(t.TempDir())
	u := user{url: "http://127.0.0.1:1", home: t.TempDir()}
	r := u.run(t, "deploy")
	if r.code != 2 || strings.Contains(r.stderr, "prefect") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	demand(t, "standard error", r.stderr, "cannot deploy berth.yaml", "no such file")
	write(t, ".", "prefect.yaml", "deployments: []\n")
	demand(t, "standard error", u.run(t, "deploy").stderr,
		"there is a prefect.yaml: berth deploy -f prefect.yaml")
}

// TestADryRunThatBreaksSomethingEndsWith1, so that CI can stop there. The deploy itself is the user's to decide.
func TestADryRunThatBreaksSomethingEndsWith1(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	const template = `
  base_job_template:
    variables: {type: object, properties: {image: {type: string}, word: {type: string, maxLength: 20}}}
    job_configuration:
      job_manifest:
        spec: {template: {spec: {containers: [{name: job, image: "{{ image }}", command: [echo, "{{ word }}"],
          resources: {limits: {memory: 64Mi}}}]}}}
`
	pool := "pools:\n- name: bare\n  type: process" + template
	file := write(t, dir, "one.yaml", pool+"deployments:\n- {name: etl, pool: bare, job_variables: {word: hello}}\n")
	plan := u.run(t, "deploy", "-f", file, "--dry-run")
	if plan.code != 1 {
		t.Errorf("a deployment without an image: exit code %d", plan.code)
	}
	demand(t, "plan", plan.stdout, "+ create deployment etl", "nothing applied")
	demand(t, "warning", plan.stderr, `container "job" needs an image`, `one.yaml:`, "runs of 1 deployment would be refused: etl")
	if r := u.run(t, "deploy", "-f", file); r.code != 0 {
		t.Errorf("the deploy: exit code %d\n%s", r.code, r.stderr)
	}
	fixed := write(t, dir, "two.yaml", "deployments:\n- {name: etl, pool: bare, job_variables: {word: hello, image: none}}\n")
	u.ok(t, "deploy", "-f", fixed, "--dry-run")
	u.ok(t, "deploy", "-f", fixed)
	shorter := write(t, dir, "three.yaml", strings.Replace(pool, "maxLength: 20", "maxLength: 2", 1))
	broken := u.run(t, "deploy", "-f", shorter, "--dry-run")
	demand(t, "a template that breaks a deployment elsewhere", broken.stderr, "runs of 1 deployment would be refused: etl")
	if broken.code != 1 {
		t.Errorf("it ends with %d", broken.code)
	}
}
