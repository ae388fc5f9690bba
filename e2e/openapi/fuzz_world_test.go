package openapi_test

import (
	"maps"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server/api"
)

const poolName = "analytics"

// fuzzWorld is what there is on a server before the fuzzer calls it. It has the names of the examples of
// openapi.yaml.
type fuzzWorld struct {
	*testServer
	viewer, operator, job string // keys
	person, leaver        string // sessions of two people
	// names are values of parameters; ofJob those of a job, and spare those for destructive operations.
	names, ofJob, spare map[string][]string
}

func newFuzzWorld(t *testing.T, s *testServer, provider *oidctest.Provider) *fuzzWorld {
	t.Helper()
	w := &fuzzWorld{testServer: s}
	type object = map[string]any
	admin := func(method, path string, body, answer any) {
		t.Helper()
		s.call(t, s.admin, method, "/api/v1/"+path, body, answer)
	}
	key := func(name string, binding object) string {
		var created api.APIKeyCreated
		admin(http.MethodPost, "api-keys", object{"name": name, "bindings": []object{binding}}, &created)
		return created.Secret
	}
	w.viewer = key("watcher", object{"role": "viewer", "pool": "*"})
	w.operator = key("on-call", object{"role": "operator", "pool": poolName})
	key("ci", object{"role": "deployer", "pool": poolName})
	admin(http.MethodPost, "work-pools", object{"name": "elsewhere", "type": "process"}, nil)
	admin(http.MethodPatch, "work-pools/"+poolName,
		object{"run_token_audiences": []string{"sts.amazonaws.com"}}, nil)
	for _, queue := range []string{"nightly", "spare"} {
		admin(http.MethodPost, "work-pools/"+poolName+"/queues", object{"name": queue}, nil)
	}
	admin(http.MethodPut, "variables/warehouse_url", object{"value": 1}, nil)
	admin(http.MethodPost, "apply", object{"deployments": []object{
		{"name": "etl", "pool": poolName, "schedules": []object{{"name": "morning", "cron": "@daily"}}},
		{"name": "report", "pool": "elsewhere"}, {"name": "spare", "pool": "elsewhere"},
		{"name": "spare too", "pool": poolName},
	}}, nil)
	for range 2 { // one to restore and one to purge
		admin(http.MethodPost, "apply", object{"deployments": []object{{"name": "retired", "pool": poolName}}}, nil)
		admin(http.MethodDelete, "deployments/retired", nil, nil)
	}
	for _, scope := range []string{"", "work-pools/" + poolName + "/"} {
		for _, rule := range []string{"registry", "spare"} {
			admin(http.MethodPut, scope+"rules/"+rule, object{"from": "registries-allowed", "action": "warn"}, nil)
		}
	}

	for _, webhook := range []string{"on-call", "spare"} { // no server listens there
		admin(http.MethodPut, "webhooks/"+webhook, object{"url": "http://127.0.0.1:1/", "format": "json", "paused": true}, nil)
	}

	var runs []string
	newRun := func() {
		var run api.Run
		admin(http.MethodPost, "deployments/etl/runs", object{}, &run)
		runs = append(runs, run.ID.String())
	}
	ended, running := w.claim(t, newRun), w.claim(t, newRun)
	w.end(t, ended)
	newRun()
	w.job = *running.JobKey
	w.person, w.leaver = w.signIn(t, provider, "ada").Token, w.signIn(t, provider, "bob").Token
	var ruleSets []string
	for _, set := range running.Rules.Sets {
		ruleSets = append(ruleSets, set.String())
	}
	w.names = map[string][]string{
		"path.pool": {poolName, "elsewhere"}, "query.pool": {poolName}, "path.queue": {"nightly", "default"},
		"path.deployment": {"etl", "report"}, "path.schedule": {"morning"}, "path.run": runs,
		"path.attempt": {"1"}, "path.rule": {"registry"}, "path.variable": {"warehouse_url"},
		"path.worker": {"worker-1"}, "path.version": {running.TemplateVersionID.String()},
		"path.set": ruleSets, "path.webhook": {"on-call"},
	}
	w.ofJob = maps.Clone(w.names)
	w.ofJob["path.run"] = []string{running.RunID.String()}
	w.spare = maps.Clone(w.names)
	maps.Copy(w.spare, map[string][]string{
		"path.pool": {poolName}, "path.queue": {"spare"}, "path.rule": {"spare"}, "path.webhook": {"spare"}, "path.key": {"ci"},
		"path.deployment": {"spare", "spare too"}, "path.session": {w.signIn(t, provider, "ada").Session.ID},
	})
	return w
}

// claim makes a run and claims it.
func (w *fuzzWorld) claim(t *testing.T, newRun func()) api.Claim {
	t.Helper()
	newRun()
	var welcome api.WorkerWelcome
	session := uuid.New()
	w.call(t, w.worker, http.MethodPost, "/api/v1/worker/hello", api.WorkerHello{Protocol: 1, Pool: poolName,
		Worker: "worker-1", SessionID: session, Type: api.Kubernetes, ClusterID: "3f9a0c", Version: "test"}, &welcome)
	var claimed api.ClaimResponse
	jobKeys := true
	w.call(t, w.worker, http.MethodPost, "/api/v1/worker/claim", api.ClaimRequest{RequestID: uuid.New(),
		Pool: poolName, Worker: "worker-1", SessionID: session, ClusterID: "3f9a0c", Max: 1, WaitSeconds: 20,
		JobKeys: &jobKeys}, &claimed)
	if len(claimed.Claims) != 1 {
		t.Fatalf("claimed %d runs, want one", len(claimed.Claims))
	}
	claim := claimed.Claims[0]
	uid, name := "uid-"+claim.AttemptID.String(), "job"
	w.report(t,
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: api.ReportKindManifest,
			Manifest: []byte(`{"apiVersion":"batch/v1","kind":"Job"}`)},
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: api.ReportKindSubmitted, JobUID: &uid,
			JobName: &name},
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: api.ReportKindRunning})
	w.call(t, w.worker, http.MethodPost, "/api/v1/worker/logs", api.LogAppend{Chunks: []api.LogAppendChunk{
		{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Text: "hello\n"}}}, nil)
	return claim
}

func (w *fuzzWorld) end(t *testing.T, claim api.Claim) {
	t.Helper()
	code, succeeded, category := int32(3), false, api.CategoryApp
	w.report(t, api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: api.ReportKindEnded,
		ExitCode: &code, Succeeded: &succeeded, Category: &category})
}

func (w *fuzzWorld) report(t *testing.T, reports ...api.Report) {
	t.Helper()
	var response api.ReportResponse
	w.call(t, w.worker, http.MethodPost, "/api/v1/worker/reports",
		api.ReportRequest{Worker: "worker-1", Pool: poolName, Reports: reports}, &response)
	for i, result := range response.Results {
		if result.Status != "accepted" {
			t.Fatalf("report %d: %+v", i, result)
		}
	}
}

// signIn signs a person in as the command line does.
func (w *fuzzWorld) signIn(t *testing.T, provider *oidctest.Provider, subject string) api.SessionCreated {
	t.Helper()
	var begun api.DeviceSignIn
	w.call(t, "", http.MethodPost, "/api/v1/sign-in/device", nil, &begun)
	provider.Approve(t, begun.UserCode, subject)
	var created api.SessionCreated
	w.call(t, "", http.MethodPost, "/api/v1/sign-in/device/token",
		api.DeviceSignInPoll{DeviceCode: begun.DeviceCode}, &created)
	return created
}
