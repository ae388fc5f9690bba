package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/store/storetest"
)

// contractWorld is a server in which the examples of openapi.yaml hold: its pools, deployments and workers
// have their names.
type contractWorld struct {
	*running
	parameters map[string]string // of paths
	live       uuid.UUID         // an unclaimed run
	attempt    api.Claim         // that runs
	names      []string          // what a test has made or called
	provider   *oidctest.Provider
	// fingerprint is that of the approval request that another person has made.
	fingerprint string
	session     string // token of a person
}

const contractPool = "analytics"

func newContractWorld(t *testing.T, change ...func(*server.Options)) *contractWorld {
	t.Helper()
	provider := oidctest.Start(t, people()...)
	w := &contractWorld{provider: provider, running: start(t, append(change, func(o *server.Options) {
		if o.Auth != server.AuthNone {
			o.SignIn, o.AccessFile = signInTo(provider, "http://localhost"), accessFile(t, testAccess)
		}
		o.RateLimit = -1 // hundreds of calls follow each other
		o.PublicURL = publicURL
		if o.IdentityKey == "" {
			o.IdentityKey = sealKey
		}
		o.WebhookAllow = []string{"hooks.example.com", "http://127.0.0.0/8"}
		o.EnsurePools = append(o.EnsurePools, server.PoolSpec{Name: contractPool, Type: "kubernetes"})
	})...)}
	w.call(http.MethodPost, "/api/v1/work-pools/"+contractPool+"/queues",
		`{"name":"nightly"}`).is(http.StatusCreated)
	w.call(http.MethodPut, "/api/v1/variables/warehouse_url", `{"value":1}`).is(http.StatusOK)
	w.call(
		http.MethodPost,
		"/api/v1/apply",
		`{"deployments":[{"name":"etl","pool":"analytics","schedules":[{"name":"morning","cron":"@daily"}]}]}`,
	).is(http.StatusOK)
	for _, scope := range []string{"/api/v1", "/api/v1/work-pools/" + contractPool} {
		w.call(http.MethodPut, scope+"/rules/registry",
			`{"from":"registries-allowed","action":"warn"}`).is(http.StatusOK)
	}
	w.makeKey("ci", api.RoleViewer)
	w.makeDeleted("retired")
	w.call(http.MethodPut, "/api/v1/trust-rules/github-etl", `{"issuer":"`+provider.URL+`",
		"audience":"https://berth.example.com","claims":{"sub":["repo:acme/etl:*"]},
		"bindings":[{"role":"viewer","pool":"analytics"}]}`).is(http.StatusOK)
	w.call(http.MethodPut, "/api/v1/webhooks/on-call", `{"url":"`+provider.URL+`/hook","filter":{"pools":["analytics"]}}`).
		is(http.StatusOK)
	w.grantAudiences(contractPool, `["sts.amazonaws.com"]`)
	w.newTemplateVersion()

	worker := w.newWorkerOf(contractPool, api.Kubernetes, "worker-1")
	ended := w.startRun("etl", `{}`)
	claim := worker.claimOne()
	worker.begin(claim)
	worker.write(claim, 0, "hello\n")
	worker.finish(claim, 3, "hello\n")
	w.startRun("etl", `{}`)
	w.attempt = worker.claimKeyed()
	worker.begin(w.attempt)
	w.call(http.MethodPut, "/api/v1/runs/"+w.attempt.RunID.String()+"/result", `{"value":1}`)
	w.live = w.startRun("etl", `{}`).ID
	w.parameters = map[string]string{
		"pool": contractPool, "queue": "nightly", "worker": worker.name, "deployment": "etl", "schedule": "morning",
		"run":     ended.ID.String(),
		"attempt": "1", "rule": "registry", "trust_rule": "github-etl", "webhook": "on-call", "set": claim.Rules.Sets[0].String(), "variable": "warehouse_url", "key": "ci", "version": claim.TemplateVersionID.String(),
	}
	asker := ""
	if w.admin != "" {
		people := &company{running: w.running, provider: provider}
		asker = people.device("u-ada").Token
		w.running.send(w.request(asker, http.MethodPost, "/api/v1/api-keys",
			`{"name":"of ada","bindings":[{"role":"viewer","pool":"*"}]}`)).is(http.StatusCreated)
		bob := people.device("u-bob")
		w.parameters["session"], w.session = bob.Session.ID, bob.Token
	}
	w.parameters["own approval"] = w.askForApproval(w.admin, "asked-by-admin").ID.String()
	asked := w.askForApproval(asker, "asked")
	w.parameters["approval"], w.fingerprint = asked.ID.String(), asked.Fingerprint
	return w
}

// makeDeleted makes a deployment that was deleted and can be restored.
func (w *contractWorld) makeDeleted(name string) {
	w.t.Helper()
	w.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"`+name+`","pool":"`+contractPool+`"}]}`).is(http.StatusOK)
	w.call(http.MethodDelete, "/api/v1/deployments/"+strings.ReplaceAll(name, " ", "%20"), "").is(http.StatusOK)
}

// askForApproval makes an approval request by a person whom no key of this world belongs to. From then on the
// pool's rules need approvals.
func (w *contractWorld) askForApproval(asker, rule string) api.ApprovalNeed {
	w.t.Helper()
	const pool = "/api/v1/work-pools/" + contractPool
	w.call(http.MethodPatch, pool,
		`{"approvals":{"require":["rules"],"approver":"deployer"}}`).is(http.StatusOK)
	refusal := w.running.send(w.request(asker, http.MethodPut, pool+"/rules/"+rule,
		`{"from":"registries-allowed"}`)).refused(http.StatusConflict, "approval-required")
	return (*refusal.Approvals)[0]
}

// withoutApproval is the query of an admin whose change needs an approval.
const withoutApproval = "break_glass=the+test+is+an+emergency"

// newTemplateVersion saves a second version of the pool's template.
func (w *contractWorld) newTemplateVersion() {
	w.t.Helper()
	const path = "/api/v1/work-pools/" + contractPool + "/template"
	first := read[api.TemplateVersion](w.call(http.MethodGet, path, "").is(http.StatusOK))
	w.call(http.MethodPut, path, asSave(strings.Replace(string(first.Document), "512Mi", "1Gi", 1))).is(http.StatusOK)
}

// aCall is a call of an operation.
type aCall struct {
	key, method, path, query string
	header                   map[string]string
	body                     any // nil: none
}

func (w *contractWorld) send(c aCall) answer {
	w.t.Helper()
	var body string
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			w.t.Fatal(err)
		}
		body = string(text)
	}
	return w.sendText(c, body)
}

func (w *contractWorld) sendText(c aCall, body string) answer {
	w.t.Helper()
	path := c.path
	if c.query != "" {
		path += "?" + c.query
	}
	request := w.request(c.key, c.method, path, body)
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	a := w.running.send(request)
	a.what = c.method + " " + path + " " + clipped(body)
	return a
}

func clipped(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// queryWith is the query with another value of a parameter.
func (c aCall) queryWith(name, value string) string {
	parts := slices.DeleteFunc(strings.Split(c.query, "&"), func(part string) bool {
		return part == "" || strings.HasPrefix(part, name+"=")
	})
	return strings.Join(append(parts, name+"="+value), "&")
}

// validCall calls an operation as its example says, on what is in this world.
func (w *contractWorld) validCall(o operation) aCall {
	w.t.Helper()
	c := aCall{key: w.admin, method: o.method, path: o.path}
	if o.protocol() {
		c.key = w.worker
	}
	known := maps.Clone(w.parameters)
	switch o.OperationID {
	case "CancelRun", "ExplainRun":
		known["run"] = w.live.String()
	case "SearchRunLogs":
		c.query = "text=x"
	case "CompareRuns":
		c.query = "with=" + w.parameters["run"]
	case "SignOut":
		c.key = w.session
	case "CreateRunToken":
		known["run"], c.key = w.attempt.RunID.String(), *w.attempt.JobKey
	case "GetRunResult", "SetRunResult", "SetRunProgress":
		known["run"] = w.attempt.RunID.String() // it runs
	case "AbandonRun":
		known["run"] = w.attempt.RunID.String() // its worker is gone
		gone := []api.AttemptLease{{AttemptID: w.attempt.AttemptID, Epoch: w.attempt.Epoch}}
		tell[api.RenewResponse](w.running, "leases",
			api.RenewRequest{Pool: contractPool, Worker: "worker-1",
				SessionID: storetest.SessionOf(contractPool, "worker-1").ID, Leases: []api.AttemptLease{}, Release: &gone})
	case "DeleteWorkPool":
		c.query = "force=true&" + withoutApproval
	case "SetPoolRule", "DeletePoolRule":
		c.query = withoutApproval
	case "WithdrawChange":
		known["approval"] = w.parameters["own approval"]
	case "ApproveChange":
		c.path = o.at(w.t, known)
		c.body = map[string]any{"fingerprint": w.fingerprint, "comment": "Looks right"}
		return c
	case "DeleteDeployment":
		c.query = "force=true" // there are runs that have not ended
	}
	c.path = o.at(w.t, known)
	if o.RequestBody != nil {
		media := o.RequestBody.Value.Content.Get("application/json")
		example := media.Example
		if example == nil {
			example = media.Schema.Value.Example
		}
		if example == nil {
			w.t.Fatalf("%s: the body has no example to call it with", o.OperationID)
		}
		c.body = w.real(example)
		if body, ok := c.body.(map[string]any); ok && strings.HasPrefix(o.path, "/api/v1/token-exchange") {
			body["token"] = w.provider.Sign(w.t, map[string]any{
				"sub": "repo:acme/etl:pull_request", "aud": "https://berth.example.com",
			})
		}
	}
	return c
}

// real puts the ids of this world into an example.
func (w *contractWorld) real(example any) any {
	w.t.Helper()
	text, err := json.Marshal(example)
	if err != nil {
		w.t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		w.t.Fatal(err)
	}
	w.replace(value)
	return value
}

func (w *contractWorld) replace(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			switch key {
			case "attempt_id":
				v[key] = w.attempt.AttemptID.String()
			case "run_id":
				v[key] = w.attempt.RunID.String()
			case "session_id":
				v[key] = storetest.SessionOf(contractPool, "worker-1").ID.String()
				if _, hello := v["protocol"]; hello {
					v[key] = uuid.NewString()
				}
			case "wait_seconds":
				v[key] = 0
			case "device_code":
				v[key] = read[api.DeviceSignIn](w.call(http.MethodPost, "/api/v1/sign-in/device",
					"").is(http.StatusOK)).DeviceCode
			default:
				w.replace(inner)
			}
		}
	case []any:
		for _, inner := range v {
			w.replace(inner)
		}
	}
}

// operation is one of the specification.
type operation struct {
	*openapi3.Operation
	method, path string
	parameters   openapi3.Parameters // of the path, too
}

func operations(t *testing.T) []operation {
	t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, item := range spec.Paths.Map() {
		for method, o := range item.Operations() {
			all = append(all, operation{o, method, path,
				append(append(openapi3.Parameters{}, item.Parameters...), o.Parameters...)})
		}
	}
	return all
}

// protocol operations are for workers and read leniently.
func (o operation) protocol() bool { return strings.HasPrefix(o.path, "/api/v1/worker/") }

// public operations need no key.
func (o operation) public() bool { return o.Security != nil && len(*o.Security) == 0 }

// at is the path with values for its parameters.
func (o operation) at(t testing.TB, values map[string]string) string {
	t.Helper()
	path := o.path
	for _, p := range o.parameters {
		if p.Value.In != openapi3.ParameterInPath {
			continue
		}
		value, ok := values[p.Value.Name]
		if !ok {
			t.Fatalf("%s: the world of this test has nothing for path parameter %q", o.OperationID,
				p.Value.Name)
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", value)
	}
	return path
}
