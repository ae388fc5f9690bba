package server_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

// hidden is a world, and what a key for another pool must not learn of it.
type hidden struct {
	*contractWorld
	secrets []string
}

func newHidden(t *testing.T) hidden {
	t.Helper()
	w := newContractWorld(t)
	// What the key is for lies behind all that is hidden in the order of names.
	w.call(
		http.MethodPost,
		"/api/v1/apply",
		`{"deployments":[{"name":"visible","pool":"local","schedules":[{"name":"x","cron":"@yearly"},{"name":"y","cron":"@yearly"}]}]}`,
	).is(http.StatusOK)
	return hidden{w, []string{
		contractPool, "etl", "retired", "nightly", "morning", "worker-1", "on-call", w.attempt.AttemptID.String(),
		w.attempt.RunID.String(), w.live.String(),
		w.parameters["run"], w.parameters["version"], "hello\\n",
	}}
}

// quiet checks that an answer names nothing that is hidden, unless who asked has named it.
func (h hidden) quiet(c aCall, text string) {
	h.t.Helper()
	asked := c.path + "?" + c.query + encode(h.t, c.body)
	for _, secret := range h.secrets {
		// As a word: a public key in base64 may have any three letters in it.
		word := regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(secret) + `(\W|$)`)
		if word.MatchString(text) && !strings.Contains(asked, secret) {
			h.t.Errorf("%s %s?%s shows %q: %s", c.method, c.path, c.query, secret, clipped(text))
		}
	}
}

// state is all that is changed by whatever changes anything, but for refusals, which are written down, and
// for the passing of time.
func (h hidden) state() string {
	h.t.Helper()
	var b strings.Builder
	for entries, cursor := 0, ""; ; entries++ {
		page := read[api.AuditList](h.call(http.MethodGet, "/api/v1/audit?limit=500&cursor="+cursor,
			"").is(http.StatusOK))
		for _, e := range page.Items {
			if e.Action != "refuse" {
				fmt.Fprintln(&b, e.At, e.Action, e.Kind, e.Name)
			}
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	for _, run := range []string{h.live.String(), h.attempt.RunID.String(), h.parameters["run"]} {
		path := "/api/v1/runs/" + run
		told := read[api.RunDetail](h.call(http.MethodGet, path, "").is(http.StatusOK))
		fmt.Fprintln(&b, string(h.call(http.MethodGet, path+"/events", "").body),
			string(h.call(http.MethodGet, path+"/logs", "").body), encode(h.t, told.Attempts),
			encode(h.t, told.Result), encode(h.t, told.Progress))
	}
	fmt.Fprintln(&b, string(h.call(http.MethodGet, "/api/v1/runs/count", "").body))
	for _, w := range read[api.WorkerList](h.call(http.MethodGet, "/api/v1/workers",
		"").is(http.StatusOK)).Items {
		fmt.Fprintln(&b, w.Name, w.LastSeenAt, w.Paused)
	}
	return b.String()
}

// openToAll lists operations that a key limited to some pools may call: their objects are shared by all
// pools, or the response contains only objects of its pools.
func openToAll(operation string) bool {
	switch operation {
	case "GetOpenIDConfiguration", "GetJSONWebKeys", "IntrospectRunToken":
		return true
	case "GetHealth", "GetReady", "GetInfo", "GetWhoAmI", "ListVariables", "GetVariable", "PreviewSchedule",
		"ListWorkPools", "ListDeployments", "ListSchedules", "ListScheduleSlots", "ListRuns", "CountRuns", "GetRunHistogram", "StreamRuns", "StreamChanges", "ListAudit", "ListWorkers", "ListAPIKeys", "ListDeleted",
		"ListApprovals", "ListWebhooks", "CancelRuns", "RetryRuns",
		"GetLanguage", "GetTemplateSchema", "ListSessions", "GetSignIn", "StartDeviceSignIn", "FinishDeviceSignIn",
		"ListRules", "GetRuleSetForWorker": // of the installation, which count in every pool
		return true
	}
	return false
}

// namesAnObject reports whether an operation names an object whose pool the caller does not name. A hidden one
// is answered like one that does not exist.
func namesAnObject(o operation) bool {
	if o.OperationID == "CreateRunToken" {
		return false // for job keys only, whatever the run
	}
	if o.OperationID == "RestoreDeleted" || o.OperationID == "PurgeDeleted" {
		return true // in the body
	}
	for _, parameter := range []string{"{deployment}", "{run}", "{version}", "{session}", "{approval}", "{webhook}"} {
		if strings.Contains(o.path, parameter) {
			return true
		}
	}
	return false
}

// TestKeyOfAnotherPoolReadsAndChangesNothing calls every operation of openapi.yaml on a pool that
// the key is not for.
func TestKeyOfAnotherPoolReadsAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHidden(t)
	admin, worker := h.makeKey("elsewhere", api.RoleAdmin, "local"), h.makeKey("elsewhere-worker",
		api.RoleWorker, "local")
	before := h.state()
	for _, o := range operations(t) {
		if o.OperationID == "ExchangeToken" { // needs no key: what counts is the token
			continue
		}
		c := h.validCall(o)
		if c.key = admin; o.protocol() {
			c.key = worker
		}
		if o.streams() && openToAll(o.OperationID) {
			h.quiet(c, h.firstList(c))
			continue
		}
		a := h.send(c)
		h.quiet(c, string(a.body))
		switch {
		case o.OperationID == "FinishDeviceSignIn": // which waits for a person, and needs no key
			a.is(http.StatusAccepted)
		case openToAll(o.OperationID):
			a.is(http.StatusOK)
		case namesAnObject(o), o.OperationID == "SignOut": // a key has no session
			a.refused(http.StatusNotFound, "not-found")
		default:
			a.refused(http.StatusForbidden, "forbidden")
		}
		if after := h.state(); after != before {
			t.Fatalf("%s has changed\n%s\nto\n%s", o.OperationID, before, after)
		}
	}
	for _, c := range h.otherWays() {
		c.key = admin
		if strings.HasPrefix(c.path, "/api/v1/worker/") {
			c.key = worker
		}
		a := h.send(c)
		h.quiet(c, string(a.body)+cursorOf(a))
		if after := h.state(); after != before {
			t.Fatalf("%s %s has changed\n%s\nto\n%s", c.method, c.path, before, after)
		}
	}
}

// otherWays are calls that name what is hidden in another place than their examples do, and lists whose pages
// end in the middle of it.
func (h hidden) otherWays() []aCall {
	lease := map[string]any{"attempt_id": h.attempt.AttemptID, "epoch": h.attempt.Epoch}
	get := func(path, query string) aCall {
		return aCall{method: http.MethodGet, path: "/api/v1/" + path, query: query}
	}
	post := func(path string, body map[string]any) aCall {
		return aCall{method: http.MethodPost, path: "/api/v1/" + path, body: body}
	}
	return []aCall{
		get("work-pools", "limit=1"), get("deployments", "limit=1"), get("schedules", "limit=1"),
		get("runs", "limit=1"), get("audit", "limit=1"),
		get("runs", "deployment=etl"), get("runs", "pool="+contractPool), get("runs/count", "deployment=etl"),
		get("schedules", "pool="+contractPool),
		get("deployments", "pool="+contractPool), get("workers", "pool="+contractPool),
		get("audit", "pool="+contractPool), get("runs/stream", "pool="+contractPool),
		post("runs/cancel", map[string]any{"ids": []uuid.UUID{h.live, h.attempt.RunID}}),
		post("runs/retry", map[string]any{"ids": []string{h.parameters["run"]}}),
		post("runs/cancel", map[string]any{"filter": map[string]any{}}),
		post("runs/cancel", map[string]any{"filter": map[string]any{"deployment": "etl"}}),
		post("runs/retry", map[string]any{"filter": map[string]any{"pool": contractPool}}),
		post("work-pools/local/template/preview", map[string]any{"deployment": "etl"}),
		post("apply", map[string]any{"deployments": []any{map[string]any{"name": "etl", "pool": "local"}}}),
		post("apply", map[string]any{"deployments": []any{map[string]any{"name": "mine",
			"pool": contractPool}}}),
		post("apply", map[string]any{"pools": []any{map[string]any{"name": contractPool,
			"description": "mine"}}}),
		post("worker/leases", map[string]any{"pool": "local", "worker": "w", "session_id": uuid.New(), "leases": []any{lease}}),
		post("worker/leases", map[string]any{"pool": "local", "worker": "w", "session_id": uuid.New(), "leases": []any{},
			"release": []any{lease}}),
		post("worker/reports", map[string]any{"pool": "local", "worker": "w",
			"reports": []any{map[string]any{"attempt_id": h.attempt.AttemptID, "epoch": h.attempt.Epoch,
				"kind": "running"}}}),
	}
}

// cursorOf is what the cursor of an answer is made of.
func cursorOf(a answer) string {
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	if json.Unmarshal(a.body, &page) != nil {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(page.NextCursor)
	if err != nil {
		a.t.Errorf("%s: cursor %q: %v", a.what, page.NextCursor, err)
	}
	return string(text)
}

// firstList is what a stream of a list, or of changes, says first.
func (h hidden) firstList(c aCall) string {
	h.t.Helper()
	request := h.request(c.key, c.method, c.path, "")
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	response, err := h.http.Do(request.WithContext(ctx))
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "data: ") &&
			(strings.Contains(text.String(), "event: list") || strings.Contains(text.String(), "event: changed")) {
			return text.String()
		}
	}
	h.t.Errorf("%s ended: %s", c.path, text.String())
	return text.String()
}

// TestEveryOperationRefusesAnInvalidKey calls every operation with a key that was revoked, one that has
// expired, and one that may only look.
func TestEveryOperationRefusesAnInvalidKey(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	w := newContractWorld(t, func(o *server.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	h := hidden{contractWorld: w}
	revoked, viewer := w.makeKey("revoked", api.RoleAdmin), w.makeKey("looks", api.RoleViewer)
	soon := time.Now().Add(time.Hour)
	expiring := read[api.APIKeyCreated](w.call(http.MethodPost, "/api/v1/api-keys",
		encode(t, api.APIKeyCreate{Name: "expires", Bindings: []api.Binding{{Role: api.RoleAdmin, Pool: access.AllPools}},
			ExpiresAt: &soon})).is(http.StatusCreated)).Secret
	for _, key := range []string{revoked, expiring} {
		w.running.send(w.request(key, http.MethodGet, "/api/v1/runs", "")).is(http.StatusOK)
	}
	w.call(http.MethodDelete, "/api/v1/api-keys/revoked", "").is(http.StatusNoContent)
	later.Store(int64(2 * time.Hour))
	before := h.state()
	for _, o := range operations(t) {
		if o.public() {
			continue
		}
		c := w.validCall(o)
		for _, c.key = range []string{revoked, expiring} {
			w.send(c).refused(http.StatusUnauthorized, "unauthenticated")
		}
		c.key = viewer
		if reads := o.method == http.MethodGet && !o.protocol(); !reads && !looks(o.OperationID) {
			status, code := http.StatusForbidden, "forbidden"
			if o.OperationID == "RevokeSession" { // a session of another user is hidden, not refused
				status, code = http.StatusNotFound, "not-found"
			}
			w.send(c).refused(status, code)
		}
		if after := h.state(); after != before {
			t.Fatalf("%s has changed\n%s\nto\n%s", o.OperationID, before, after)
		}
	}
}

// looks are operations that take a body and change nothing.
func looks(operation string) bool {
	switch operation {
	case "LintTemplate", "PreviewTemplate", "CheckTemplate", "DiffTemplate", "ImpactTemplate", "PreviewSchedule",
		"IntrospectRunToken", "TestPoolRule", "TestRule", "SignOut":
		return true
	}
	return false
}

func TestRetryRefusesAKeyOfAnotherPool(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"secret","type":"process"}`).is(http.StatusCreated)
	r.deploy("etl", "")
	first := r.request(r.admin, http.MethodPost, "/api/v1/deployments/etl/runs", `{}`)
	first.Header.Set("Idempotency-Key", "once")
	run := read[api.Run](r.send(first).is(http.StatusCreated))
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	here, there := r.makeKey("here", api.RoleOperator, "local"), r.makeKey("there", api.RoleOperator,
		"secret")
	r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"etl","pool":"secret"}]}`).is(http.StatusOK)

	r.send(r.request(here, http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry",
		"")).refused(http.StatusForbidden, "forbidden")
	bulk := read[api.RunBulkResult](r.send(r.request(here, http.MethodPost, "/api/v1/runs/retry",
		`{"ids":["`+run.ID.String()+`"]}`)).is(http.StatusOK))
	if len(bulk.Done) != 0 || len(bulk.Refused) != 1 || bulk.Refused[0].Code != "forbidden" {
		t.Errorf("got %+v", bulk)
	}
	again := r.request(there, http.MethodPost, "/api/v1/deployments/etl/runs", `{}`)
	again.Header.Set("Idempotency-Key", "once")
	r.send(again).refused(http.StatusForbidden, "forbidden")
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").is(http.StatusOK)
}

func TestClaimRequestIDGivesNoAccessToAnotherPool(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"secret","type":"process"}`).is(http.StatusCreated)
	r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"hidden","pool":"secret"}]}`).is(http.StatusOK)
	r.startRun("hidden", `{}`)
	request := r.newWorkerOf("secret", api.Process, "w1").claimRequest(1, 0)
	if claims := tell[api.ClaimResponse](r, "claim", request).Claims; len(claims) != 1 {
		t.Fatalf("got %d claims", len(claims))
	}
	worker := r.makeKey("elsewhere", api.RoleWorker, "local")
	request.Pool = "local"
	r.send(r.request(worker, http.MethodPost, "/api/v1/worker/claim", encode(t, request))).
		refused(http.StatusNotFound, "session-unknown")
}
