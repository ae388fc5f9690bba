package server_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store/storetest"
)

const dryRunPath = "/api/v1/work-pools/clusters/template/dry-run"

// withClusters is a server with a pool for clusters, and a deployment in it.
func withClusters(t *testing.T, change ...func(*server.Options)) *running {
	t.Helper()
	r := start(t, append(change, func(o *server.Options) {
		o.EnsurePools = append(o.EnsurePools, server.PoolSpec{Name: "clusters", Type: "kubernetes"})
	})...)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"clusters","timeout_seconds":90,
		"job_variables":{"image":"busybox:1.36"},"parameters":{"date":"2026-01-01"}}]}`).is(http.StatusOK)
	return r
}

// inCluster is a worker of the pool in a cluster.
func (r *running) inCluster(cluster string) aWorker {
	r.t.Helper()
	w := aWorker{running: r, name: "worker-" + cluster, pool: "clusters"}
	tell[api.WorkerWelcome](r, "hello", api.WorkerHello{
		Protocol: 1, Pool: w.pool, Worker: w.name, Type: api.Kubernetes, ClusterID: cluster, Version: "test",
		SessionID: w.session(),
	})
	return w
}

// questions are what the worker gets with a poll of a full worker.
func (w aWorker) questions(cluster string, wait int32) []api.DryRunQuestion {
	w.t.Helper()
	answers := true
	response := tell[api.ClaimResponse](w.running, "claim", api.ClaimRequest{
		RequestID: uuid.New(), Pool: w.pool, Worker: w.name, ClusterID: cluster, WaitSeconds: wait,
		SessionID: storetest.SessionOf(w.pool, w.name).ID, DryRuns: &answers,
	})
	if response.DryRuns == nil {
		return nil
	}
	return *response.DryRuns
}

// answers answers a question.
func (w aWorker) answers(q api.DryRunQuestion, outcome api.DryRunOutcome, message string) {
	w.t.Helper()
	namespace := "jobs"
	w.send(w.request(w.running.worker, http.MethodPost, "/api/v1/worker/dry-runs", encode(w.t, api.DryRunAnswer{
		Pool: w.pool, Worker: w.name, ID: q.ID, Namespace: &namespace, Outcome: outcome,
		Objects: []api.ObjectDryRun{{
			Kind: api.DryRunJob, Outcome: outcome, Message: &message, Warnings: []string{},
			Changes: []api.DocumentChange{},
		}},
	}))).is(http.StatusNoContent)
}

func (r *running) dryRun(body string) api.TemplateDryRun {
	r.t.Helper()
	return read[api.TemplateDryRun](r.call(http.MethodPost, dryRunPath, body).is(http.StatusOK))
}

// nothingLeft fails where a worker would still get a question.
func (w aWorker) nothingLeft(cluster string) {
	w.t.Helper()
	if left := w.questions(cluster, 0); len(left) != 0 {
		w.t.Errorf("%d questions are left", len(left))
	}
}

func TestAWorkerAtAnotherServerAnswersADryRun(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	one := withClusters(t, on(database))
	two := start(t, on(database),
		func(o *server.Options) { o.BootstrapAdminKey, o.BootstrapWorkerKey = one.admin, one.worker })
	two.admin, two.worker = one.admin, one.worker
	w := two.inCluster("here")
	asked := async(func() []api.DryRunQuestion { return w.questions("here", 20) })
	answer := async(func() api.TemplateDryRun {
		return one.dryRun(`{"deployment":"etl","job_variables":{"env":{"A":"b"}},"timeout_seconds":20}`)
	})
	questions := await(t, asked, "the question at the other server")
	if len(questions) != 1 {
		t.Fatalf("the worker got %+v", questions)
	}
	c := questions[0].Claim
	if c.Deployment != "etl" || c.Pool != "clusters" || c.RunID == uuid.Nil || c.TemplateVersion != 1 ||
		c.TimeoutSeconds == nil || *c.TimeoutSeconds != 90 || string(c.Parameters) != `{"date":"2026-01-01"}` ||
		!strings.Contains(string(c.RenderInput.Deployment), "busybox:1.36") ||
		string(c.RenderInput.Run) != `{"env":{"A":"b"}}` || questions[0].Document != nil {
		t.Errorf("the question is about %s", encode(t, questions[0]))
	}
	w.answers(questions[0], api.DryRunOutcomeRefused, "exceeded quota")
	got := await(t, answer, "the answer")
	if got.Outcome != api.TemplateDryRunOutcomeRefused || len(got.Clusters) != 1 || got.Preview.Job == nil {
		t.Fatalf("got %s", encode(t, got))
	}
	if said := got.Clusters[0]; said.Worker != w.name || said.ClusterID != "here" || *said.Namespace != "jobs" ||
		*said.Objects[0].Message != "exceeded quota" {
		t.Errorf("the cluster said %s", encode(t, said))
	}
	w.nothingLeft("here")
}

func TestADryRunAsksOneWorkerOfEachClusterWhateverItsSlotsAndThePause(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	r.call(http.MethodPatch, "/api/v1/work-pools/clusters", `{"paused":true}`).is(http.StatusOK)
	here, there := r.inCluster("here"), r.inCluster("there")
	silent := async(func() api.TemplateDryRun {
		return r.dryRun(`{"deployment":"etl","timeout_seconds":20}`)
	})
	for cluster, w := range map[string]aWorker{"here": here, "there": there} {
		questions := w.questions(cluster, 20)
		if len(questions) != 1 {
			t.Fatalf("the worker of %s got %+v", cluster, questions)
		}
		w.answers(questions[0], api.DryRunOutcomeAccepted, "")
		w.answers(questions[0], api.DryRunOutcomeRefused, "too late")
	}
	got := await(t, silent, "both answers")
	if got.Outcome != api.TemplateDryRunOutcomeAccepted || len(got.Clusters) != 2 {
		t.Errorf("got %s", encode(t, got))
	}
	here.nothingLeft("here")
}

func TestADryRunThatNobodyCanAnswerSaysWhy(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	r.deploy("local", "")
	says := func(got api.TemplateDryRun, parts ...string) {
		t.Helper()
		text := encode(t, got)
		if got.Outcome != api.TemplateDryRunOutcomeUnanswered {
			t.Errorf("the outcome is %s", got.Outcome)
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not say %q", text, part)
			}
		}
	}
	says(r.dryRun(`{"deployment":"etl"}`), `has no worker: start one`)
	says(read[api.TemplateDryRun](r.call(http.MethodPost, "/api/v1/work-pools/local/template/dry-run",
		`{"deployment":"local"}`).is(http.StatusOK)), `is of type process`)

	w := r.inCluster("here")
	says(r.dryRun(`{"deployment":"etl","timeout_seconds":1}`), "no worker of this cluster has taken the question in time",
		w.name)
	w.nothingLeft("here")

	answer := async(func() api.TemplateDryRun { return r.dryRun(`{"deployment":"etl","timeout_seconds":2}`) })
	if taken := w.questions("here", 20); len(taken) != 1 {
		t.Fatalf("the worker got %+v", taken)
	}
	says(await(t, answer, "the end of the wait"), `has taken the question and not answered in time`, w.name)

	tell[api.RenewResponse](r, "leases", map[string]any{
		"worker": w.name, "pool": w.pool, "session_id": w.session(), "leases": []any{}, "goodbye": true, "partial": true,
	})
	says(r.dryRun(`{"deployment":"etl"}`), `has no worker: start one`)
}

func TestADryRunOfAPreviewWithErrorsAsksNobody(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	w := r.inCluster("here")
	got := r.dryRun(`{"deployment":"etl","job_variables":{"image":1}}`)
	if got.Outcome != api.TemplateDryRunOutcomeRefused || len(got.Preview.Errors) == 0 || len(got.Clusters) != 0 {
		t.Errorf("got %s", encode(t, got))
	}
	w.nothingLeft("here")
}

func TestADryRunOfAnAskerThatHasGoneIsRemoved(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	w := r.inCluster("here")
	ctx, leave := context.WithCancel(t.Context())
	request := r.request(r.admin, http.MethodPost, dryRunPath, `{"deployment":"etl","timeout_seconds":30}`).WithContext(ctx)
	gone := async(func() error {
		response, err := r.http.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	})
	taken := w.questions("here", 20)
	if len(taken) != 1 {
		t.Fatalf("the worker got %+v", taken)
	}
	leave()
	if err := await(t, gone, "the end of the request"); err == nil {
		t.Error("the request was answered")
	}
	w.answers(taken[0], api.DryRunOutcomeAccepted, "") // dropped, and no error
}

func TestWhoMayAskForADryRun(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	r.call(http.MethodPut, "/api/v1/work-pools/clusters/template",
		`{"document":{"variables":{"properties":{"image":{"type":"string","default":"busybox:1.36"}}},"job_configuration":
		{"job_manifest":{"spec":{"template":{"spec":{"containers":[{"name":"job","image":"{{ image }}"}]}}}}}}}`).is(http.StatusOK)
	bodies := map[string]string{
		"deployment": `{"deployment":"etl"}`, "values": `{"job_variables":{}}`,
		"newest": `{"deployment":"etl","version":2}`, "old": `{"deployment":"etl","version":1}`,
		"document": `{"deployment":"etl","document":{"job_configuration":{"job_manifest":{"spec":{"template":{"spec":
			{"containers":[{"name":"job","image":"busybox:1.36"}]}}}}}}}`,
	}
	may := map[api.Role][]string{
		api.RoleViewer: {}, api.RoleOperator: {"deployment", "newest"},
		api.RoleDeployer: {"deployment", "newest", "values"},
		api.RoleEditor:   {"deployment", "newest", "values", "old", "document"}, api.RoleWorker: {},
	}
	for role, allowed := range may {
		key := r.makeKey("of-"+string(role), role, "clusters")
		for what, body := range bodies {
			want := http.StatusForbidden
			for _, a := range allowed {
				if a == what {
					want = http.StatusOK
				}
			}
			if a := r.send(r.request(key, http.MethodPost, dryRunPath, body)); a.status != want {
				t.Errorf("%s, %s: status %d, want %d: %s", role, what, a.status, want, a.body)
			}
		}
	}
	elsewhere := r.makeKey("elsewhere", api.RoleEditor, "local")
	r.send(r.request(elsewhere, http.MethodPost, dryRunPath, bodies["deployment"])).refused(http.StatusForbidden, "forbidden")
	r.deploy("theirs", "")
	limited := r.makeKey("limited", api.RoleEditor, "clusters")
	r.send(r.request(limited, http.MethodPost, dryRunPath, `{"deployment":"theirs"}`)).is(http.StatusNotFound)

	stranger := r.makeKey("stranger", api.RoleWorker, "local")
	r.send(r.request(stranger, http.MethodPost, "/api/v1/worker/dry-runs", encode(t, api.DryRunAnswer{
		Pool: "clusters", Worker: "w", ID: uuid.New(), Outcome: api.DryRunOutcomeAccepted, Objects: []api.ObjectDryRun{},
	}))).refused(http.StatusForbidden, "forbidden")
}

func TestFewDryRunsAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	w := r.inCluster("here")
	body := `{"deployment":"etl","timeout_seconds":30}`
	var open []<-chan api.TemplateDryRun
	for range 3 {
		open = append(open, async(func() api.TemplateDryRun { return r.dryRun(body) }))
	}
	var taken []api.DryRunQuestion
	for len(taken) < 3 {
		taken = append(taken, w.questions("here", 20)...)
	}
	r.call(http.MethodPost, dryRunPath, body).refused(http.StatusTooManyRequests, "rate-limited")
	for _, q := range taken {
		w.answers(q, api.DryRunOutcomeAccepted, "")
	}
	for _, o := range open {
		await(t, o, "an answer")
	}
	if got := r.send(r.request(r.admin, http.MethodPost, dryRunPath, `{"deployment":"etl","timeout_seconds":1}`)); got.status !=
		http.StatusOK {
		t.Errorf("after that: status %d: %s", got.status, got.body)
	}
}

func TestAServerThatStopsAnswersItsAskersAndLeavesNoDryRun(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	r := withClusters(t, on(database))
	w := r.inCluster("here")
	answer := async(func() api.TemplateDryRun { return r.dryRun(`{"deployment":"etl","timeout_seconds":30}`) })
	if taken := w.questions("here", 20); len(taken) != 1 {
		t.Fatalf("the worker got %+v", taken)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := await(t, answer, "the answer of a server that stops"); got.Outcome != api.TemplateDryRunOutcomeUnanswered {
		t.Errorf("the outcome is %s", got.Outcome)
	}
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dry_runs").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d dry runs are left, %v", rows, err)
	}
}

// TestADryRunDoesNotShowTheEnvironmentToWhoMayNotSaveAlone: a cluster that refuses a value quotes it.
func TestADryRunDoesNotShowTheEnvironmentToWhoMayNotSaveAlone(t *testing.T) {
	t.Parallel()
	r := withClusters(t)
	document := func(more string) string {
		return `{"document":{` + more + `"job_configuration":{"job_manifest":{"spec":{"template":{"spec":
			{"containers":[{"name":"job","image":"busybox:1.36"}]}}}}}}}`
	}
	reads := document(`"template_env":["TOKEN"],`)
	r.call(http.MethodPost, dryRunPath, reads).is(http.StatusOK)
	r.call(http.MethodPatch, "/api/v1/work-pools/clusters",
		`{"approvals":{"require":["templates"],"approver":"editor","lifetime_seconds":3600}}`).is(http.StatusOK)
	r.call(http.MethodPost, dryRunPath, reads).refused(http.StatusForbidden, "forbidden")
	r.call(http.MethodPost, dryRunPath, document("")).is(http.StatusOK)
	r.call(http.MethodPost, dryRunPath, `{"deployment":"etl"}`).is(http.StatusOK)
}
