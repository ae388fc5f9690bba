package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
)

// linkOptions say what `status --test` runs, and how long it waits for all of it.
type linkOptions struct {
	pool     string // empty: the only pool with a live worker
	image    string // of the Job; empty: that of the template. The test asks it for its version
	patience time.Duration
}

// What the test makes. It is deleted when the test has passed; after a failure it stays for berth run explain.
const (
	linkDeployment = "berth-status-test"
	linkText       = "berth status --test"
)

// linkTest runs a job through server, pool, worker and log, and says of each link how long it took. It is a
// watch.Sink.
type linkTest struct {
	app    *cli.App
	client *cli.Client
	linkOptions
	began, since time.Time
	passed       map[string]bool
	run          uuid.UUID
	expect       string // in the output; empty: any output will do
	output       strings.Builder
	ended        bool
}

// brokenLinkError says which link broke, and why.
type brokenLinkError struct {
	link string
	err  error
}

func (e *brokenLinkError) Error() string { return fmt.Sprintf("%s: %v", e.link, e.err) }
func (e *brokenLinkError) Unwrap() error { return e.err }

// testLinks prints a line for each link, then that all passed; or returns the broken one.
func testLinks(ctx context.Context, app *cli.App, client *cli.Client, o linkOptions) error {
	now := app.Now()
	t := &linkTest{app: app, client: client, linkOptions: o, began: now, since: now, passed: map[string]bool{}}
	limited, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	if err := t.walk(limited); err != nil {
		return t.broken(ctx, err)
	}
	return app.Printf("passed in %s\n", elapsed(app.Now().Sub(t.began)))
}

func (t *linkTest) walk(ctx context.Context) error {
	info, err := cli.Value(t.client.GetInfoWithResponse(ctx))
	if err != nil {
		return &brokenLinkError{"server", err}
	}
	if err := t.pass("server", "answers, version "+info.Version); err != nil {
		return err
	}
	if err := t.findPool(ctx); err != nil {
		return err
	}
	if err := t.startRun(ctx); err != nil {
		return &brokenLinkError{"run", err}
	}
	if err := t.pass("run", "created in pool "+t.pool); err != nil {
		return err
	}
	run, err := watch.New(t.client, t.run, true).Follow(ctx, t)
	if err != nil {
		return &brokenLinkError{t.waitsFor(), err}
	}
	return t.end(ctx, run)
}

// findPool finds a pool whose runs a worker can take.
func (t *linkTest) findPool(ctx context.Context) error {
	workers, err := lookup.ListWorkers(ctx, t.client, cli.StringOrNil(t.pool))
	if err != nil {
		return &brokenLinkError{"worker", err}
	}
	var pools []string
	alive := 0
	for _, w := range workers {
		if !w.Alive {
			continue
		}
		alive++
		if len(pools) == 0 || pools[len(pools)-1] != w.Pool {
			pools = append(pools, w.Pool)
		}
	}
	switch {
	case alive == 0 && t.pool != "":
		return &brokenLinkError{"worker", fmt.Errorf("pool %q has no live worker; start one: %s", t.pool,
			cli.CommandLine("berth worker start", "--pool", t.pool))}
	case alive == 0:
		return &brokenLinkError{"worker", errors.New("no pool has a live worker; start one: berth worker start --pool POOL")}
	case t.pool == "" && len(pools) > 1:
		return cli.Usagef("the test runs a job in one pool; name it with --pool: %s", strings.Join(pools, ", "))
	}
	t.pool = pools[0]
	return t.pass("worker", fmt.Sprintf("pool %s has %s", t.pool, cli.Plural(alive, "live worker")))
}

// startRun creates the deployment and a run of it.
func (t *linkTest) startRun(ctx context.Context) error {
	variables, err := t.variables(ctx)
	if err != nil {
		return err
	}
	description := "Test of berth status --test, which deletes it"
	timeout := int64(max(t.patience/time.Second, 1))
	err = cli.Check(t.client.ApplyWithResponse(ctx, nil, api.ApplyRequest{Deployments: &[]api.DeploymentSpec{{
		Name: linkDeployment, Pool: t.pool, Description: &description, JobVariables: variables, TimeoutSeconds: &timeout,
	}}}))
	if err != nil {
		return err
	}
	run, err := cli.Created(t.client.CreateRunWithResponse(ctx, linkDeployment, nil, api.RunCreate{}))
	t.run = run.ID
	return err
}

// variables are a command that prints something, as far as the template of the pool can be given one.
func (t *linkTest) variables(ctx context.Context) (json.RawMessage, error) {
	version, err := cli.Value(t.client.GetTemplateWithResponse(ctx, t.pool, &api.GetTemplateParams{}))
	if err != nil {
		return nil, err
	}
	var template struct {
		Variables struct {
			Properties map[string]struct{ Type any }
		}
	}
	if err := json.Unmarshal(version.Document, &template); err != nil {
		return nil, fmt.Errorf("read the template of pool %q: %w", t.pool, err)
	}
	given := map[string]any{}
	declared := template.Variables.Properties
	command := []string{"sh", "-c", "echo '" + linkText + "'"}
	t.expect = linkText
	if _, ok := declared["image"]; ok && t.image != "" {
		given["image"] = t.image
		command, t.expect = []string{"berth", "version"}, ""
	}
	if variable, ok := declared["command"]; ok && variable.Type == "array" {
		given["command"] = command
	} else {
		t.expect = "" // the job prints what its template says
	}
	return json.Marshal(given)
}

// Event notes how far the run is.
func (t *linkTest) Event(e api.RunEvent) error {
	switch e.State.Type {
	case api.PENDING:
		return t.pass("claim", e.Message)
	case api.RUNNING:
		return t.pass("job", strings.TrimSpace("runs "+e.Message))
	}
	return nil
}

// Output notes when the log has what the job printed.
func (t *linkTest) Output(chunk api.LogChunk) error {
	t.output.WriteString(chunk.Text)
	return nil
}

// Lost is said by what follows.
func (t *linkTest) Lost(error) {}

// waitsFor is the first link that the run has not come through.
func (t *linkTest) waitsFor() string {
	for _, link := range []string{"claim", "job"} {
		if !t.passed[link] {
			return link
		}
	}
	return "end"
}

// end judges a run that has ended, and removes what the test made.
func (t *linkTest) end(ctx context.Context, run api.Run) error {
	t.ended = true
	if run.State.Type != api.COMPLETED {
		return &brokenLinkError{"job", fmt.Errorf("the run ended as %s", cli.StateText(run.State))}
	}
	if err := t.pass("end", "the job has ended with success"); err != nil {
		return err
	}
	if t.expect != "" && !strings.Contains(t.output.String(), t.expect) {
		return &brokenLinkError{"log", fmt.Errorf("the output of the job has no line %q", t.expect)}
	}
	if err := t.pass("log", fmt.Sprintf("has %s of the job", cli.Plural(t.output.Len(), "byte"))); err != nil {
		return err
	}
	yes := true
	err := cli.Check(t.client.DeleteDeploymentWithResponse(ctx, linkDeployment,
		&api.DeleteDeploymentParams{Permanently: &yes}))
	if err != nil {
		return fmt.Errorf("delete deployment %q of the test: %w", linkDeployment, err)
	}
	return nil
}

// pass prints the line of a link, once.
func (t *linkTest) pass(link, what string) error {
	if t.passed[link] {
		return nil
	}
	t.passed[link] = true
	now := t.app.Now()
	took := now.Sub(t.since)
	t.since = now
	return t.app.Printf("%-7s %s (%s)\n", link, what, elapsed(took))
}

// broken says why a link broke, as far as the server can tell of the run, which it cancels.
func (t *linkTest) broken(ctx context.Context, err error) error {
	var link *brokenLinkError
	if !errors.As(err, &link) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		link.err = fmt.Errorf("nothing for %s", elapsed(t.app.Now().Sub(t.since)))
	}
	result := &testFailure{message: fmt.Sprintf("broken: %v", link)}
	if t.run == uuid.Nil || ctx.Err() != nil {
		return result
	}
	explained, explainErr := cli.Value(t.client.ExplainRunWithResponse(ctx, t.run))
	if explainErr == nil {
		result.details = append([]string{explained.Sentence}, explained.Details...)
	}
	result.details = append(result.details, "next: berth run explain "+t.run.String())
	if t.ended {
		return result
	}
	if cancelErr := cli.Check(t.client.CancelRunWithResponse(ctx, t.run)); cancelErr != nil {
		result.details = append(result.details, fmt.Sprintf("the run of the test is not cancelled: %v", cancelErr))
	}
	return result
}

// testFailure is a failed test as it is printed: the broken link, and what is known of it.
type testFailure struct {
	message string
	details []string
}

func (e *testFailure) Error() string     { return e.message }
func (e *testFailure) Details() []string { return e.details }

func elapsed(d time.Duration) string {
	if d < time.Millisecond {
		return "under 1ms"
	}
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
