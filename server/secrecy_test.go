package server_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/seal"
)

// overheard keeps all that a server answers, by method and path.
type overheard struct {
	next http.RoundTripper
	mu   sync.Mutex
	said map[string]*bytes.Buffer
}

func (o *overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	if o.said[what] == nil {
		o.said[what] = &bytes.Buffer{}
	}
	fmt.Fprintf(o.said[what], "%d %v\n", response.StatusCode, response.Header)
	response.Body = &heard{ReadCloser: response.Body, by: o, what: what}
	return response, nil
}

// heard is a body that is overheard while it is read.
type heard struct {
	io.ReadCloser
	by   *overheard
	what string
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.by.mu.Lock()
	defer h.by.mu.Unlock()
	h.by.said[h.what].Write(p[:n])
	return n, err
}

// secret is a value that may be told in the answers to these requests, and nowhere else.
type secret struct {
	name, value string
	told        []string // beginnings of METHOD path
}

// key is the part of an API key that proves it.
func key(name, text string, told ...string) secret {
	const length = 43
	return secret{name, text[len(text)-length:], told}
}

// leaks lists where a text tells a secret.
func (s secret) leaks(what, text string) []string {
	for _, beginning := range s.told {
		if strings.HasPrefix(what, beginning) {
			return nil
		}
	}
	if strings.Contains(text, s.value) {
		return []string{what + " tells " + s.name}
	}
	return nil
}

func TestSecretsOfARunAppearNowhereElse(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		keepsSecrets(t, func(o *server.Options) { o.DataDir = dir }, func() string {
			var all strings.Builder
			for _, name := range []string{"berth.db", "berth.db-wal"} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				all.Write(data)
			}
			return all.String()
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		database := pgtest.Database(t)
		keepsSecrets(t, on(database), func() string { return dump(t, database) })
	})
}

// dump is everything that is in a PostgreSQL database.
func dump(t *testing.T, database string) string {
	t.Helper()
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all string
	err = db.QueryRowContext(t.Context(), `SELECT database_to_xml(true, false, '')::text`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keepsSecrets(t *testing.T, database func(*server.Options), stored func() string) {
	var log logged
	identityKey, err := seal.NewText()
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, database, withPublicURL, func(o *server.Options) {
		o.IdentityKey = identityKey
		o.WebhookAllow = []string{"http://127.0.0.0/8"}
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	said := &overheard{next: r.http.Transport, said: map[string]*bytes.Buffer{}}
	r.http.Transport = said

	operator, gone, unknown := r.makeKey("night shift", api.RoleOperator), r.makeKey("gone",
		api.RoleViewer), newKey(t)
	token := secret{"a stored variable", "hunter2-" + unknown[len(unknown)-12:],
		[]string{"GET /api/v1/variables", "PUT /api/v1/variables/token", "POST /api/v1/worker/claim"}}
	secrets := []secret{
		{name: "the key that encrypts signing keys", value: identityKey},
		key("the admin's key", r.admin), key("the worker's key", r.worker), key("an unknown key", unknown),
		token,
		key("a key that was made", operator, "POST /api/v1/api-keys"),
		key("a key that was revoked", gone, "POST /api/v1/api-keys"),
	}
	r.call(http.MethodPut, "/api/v1/trust-rules/ci", `{"issuer":"https://issuer.example.com","claims":{"sub":["a"]},
		"bindings":[{"role":"viewer","pool":"*"}]}`).is(http.StatusOK)
	secrets = append(secrets, r.tellWebhooks()...)
	jobKey, run := r.fullRun(operator, token.value)
	secrets = append(secrets, key("the job's key", jobKey, "POST /api/v1/worker/claim"))
	r.mistakes(gone, unknown, operator, token.value)
	r.readEverything(run, r.askForApproval(token.value))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	said.mu.Lock()
	defer said.mu.Unlock()
	if len(said.said) < 40 || !strings.Contains(log.String(), "level=DEBUG") &&
		!strings.Contains(log.String(), "request refused") {
		t.Errorf("only %d things were said", len(said.said))
	}
	kept := stored()
	for _, s := range secrets {
		var leaks []string
		for what, text := range said.said {
			leaks = append(leaks, s.leaks(what, text.String())...)
		}
		leaks = append(leaks, s.leaks("the log", log.String())...)
		if s.name != token.name { // variables are stored as they are
			leaks = append(leaks, s.leaks("the database", kept)...)
		}
		for _, leak := range leaks {
			t.Error(leak)
		}
	}
	if !strings.Contains(kept, token.value) ||
		!strings.Contains(said.said["GET /api/v1/variables/token"].String(), token.value) {
		t.Error("this test looks in the wrong places")
	}
}

// tellWebhooks sets webhooks that fail in each way, and returns their secrets.
func (r *running) tellWebhooks() []secret {
	r.t.Helper()
	const path, key, signs, answer = "T0KEN-in-the-path", "R0UTING-key-of-pagerduty", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"ANSWER-of-the-receiver"
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://"+answer+".example.com/"+answer)
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write([]byte(answer)) // fails if the server has gone
	}))
	r.t.Cleanup(receiver.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, body := range map[string]string{
		"failing":     `{"url":"` + receiver.URL + `/` + path + `?t=` + path + `","secret":"` + signs + `"}`,
		"unreachable": `{"url":"` + closed.URL + `/` + path + `","secret":"` + signs + `"}`,
		"incidents":   `{"format":"pagerduty","routing_key":"` + key + `","url":"` + receiver.URL + `/` + path + `"}`,
	} {
		r.call(http.MethodPut, "/api/v1/webhooks/"+name, body).is(http.StatusOK)
		if tried := read[api.WebhookTrial](r.call(http.MethodPost, "/api/v1/webhooks/"+name+"/test", "").
			is(http.StatusOK)); tried.Delivered {
			r.t.Errorf("%s was told", name)
		}
	}
	r.call(http.MethodPut, "/api/v1/webhooks/failing", `{"rotate_secret":true,"description":"d"}`).is(http.StatusOK)
	for _, wrong := range []string{
		`{"url":"ftp://` + path + `"}`, `{"url":"http://10.0.0.1/` + path + `"}`, `{"url":"http://u:` + path + `@127.0.0.1"}`,
		`{"url":"http://127.0.0.1/%zz` + path + `"}`, `{"url":"http://127.0.0.1/","secret":"` + path + `"}`,
		`{"url":"http://127.0.0.1/","routing_key":"` + key + `"}`, `{"url":["` + path + `"]}`,
		`{"url":"http://127.0.0.1/#` + path + `"}`, `{"secret":"` + signs + `"}`,
	} {
		if got := r.call(http.MethodPut, "/api/v1/webhooks/wrong", wrong); got.status < 400 {
			r.t.Errorf("%s was taken", wrong)
		}
	}
	return []secret{
		{name: "the path of a receiver", value: path}, {name: "a routing key", value: key},
		{name: "the secret that signs", value: strings.TrimPrefix(signs, "whsec_")}, {name: "an answer", value: answer},
	}
}

// fullRun takes a run that uses the variable through a failure, a retry and its end, and returns the key of
// its last job.
func (r *running) fullRun(operator, value string) (jobKey string, run api.Run) {
	r.t.Helper()
	r.call(http.MethodPut, "/api/v1/variables/token", `{"value":"`+value+`"}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/apply",
		`{"variables":[{"name":"token","value":"`+value+` "}],"dry_run":true}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"local","retries":{"max":1},
		"job_variables":{"command":["true"],"env":{"TOKEN":"{{ berth.variables.token }}"}},
		"schedules":[{"name":"nightly","cron":"0 5 * * *"}]}]}`).
		is(http.StatusOK)
	run = read[api.Run](r.send(r.request(operator, http.MethodPost, "/api/v1/deployments/etl/runs",
		"{}")).is(http.StatusCreated))
	w := r.newWorker("w1")
	first := w.claimKeyed()
	if !strings.Contains(string(first.RenderInput.Stored), value) {
		r.t.Fatal("the run does not use the variable")
	}
	w.begin(first)
	w.write(first, 0, "working\n")
	w.finish(first, 3, "working\n")
	r.send(r.request(*first.JobKey, http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"")).refused(http.StatusUnauthorized, "unauthenticated")
	second := w.claimKeyed()
	w.begin(second)
	for _, say := range [][2]string{{"result", `{"value":{"rows":1}}`}, {"progress", `{"percent":50}`}} {
		r.send(r.request(*second.JobKey, http.MethodPut, "/api/v1/runs/"+run.ID.String()+"/"+say[0],
			say[1])).is(http.StatusOK)
	}
	w.finish(second, 0, "")
	r.startRun("etl", `{}`) // one that waits, to be explained
	return *second.JobKey, run
}

// mistakes are what people and programs do with secrets where they should not.
func (r *running) mistakes(gone, unknown, operator, value string) {
	r.t.Helper()
	r.call(http.MethodDelete, "/api/v1/api-keys/gone", "").is(http.StatusNoContent)
	for _, key := range []string{gone, unknown, operator[:len(operator)-1] + "A", operator + "x", "berth_",
		value} {
		r.send(r.request(key, http.MethodGet, "/api/v1/runs", ""))
	}
	for _, key := range []string{r.admin, operator} { // refused to one, not found by the other
		r.send(r.request(key, http.MethodDelete, "/api/v1/api-keys/"+unknown, ""))
		r.send(r.request(key, http.MethodGet, "/api/v1/runs?text="+unknown, ""))
		r.send(r.request(key, http.MethodGet, "/"+unknown, ""))
	}
	for _, wrong := range [][3]string{
		{"PUT", "/api/v1/variables/token", `{"value":"` + value + `","extra":"` + value + `"}`},
		{"PUT", "/api/v1/variables/to%20ken", `{"value":"` + value + `"}`},
		{"PUT", "/api/v1/variables/token", `{"value":"` + value},
		{"POST", "/api/v1/apply", `{"variables":[{"name":"x y","value":"` + value + `"}]}`},
		{"POST", "/api/v1/apply", `{"variables":{"token":"` + value + `"}}`},
		{"POST", "/api/v1/apply", `{"deployments":[{"name":"bad","pool":"local","job_variables":{"env":"{{ berth.variables.token }}","command":3}}]}`},
		{"PUT", "/api/v1/api-keys", `{"name":"` + unknown + `"}`},
		{"POST", "/api/v1/api-keys", `{"name":"x","bindings":[{"role":"` + unknown + `","pool":"*"}]}`},
	} {
		if got := r.call(wrong[0], wrong[1], wrong[2]); got.status < 400 {
			r.t.Errorf("%v was taken: %d", wrong, got.status)
		}
	}
}

// askForApproval asks for a change that has the value of a stored variable beside it.
func (r *running) askForApproval(value string) string {
	r.t.Helper()
	r.call(http.MethodPost, "/api/v1/work-pools",
		`{"name":"approved","type":"process","approvals":{"require":["deploys"]}}`).is(http.StatusCreated)
	refusal := r.call(http.MethodPost, "/api/v1/apply", `{"variables":[{"name":"token","value":"`+value+` "}],
		"deployments":[{"name":"waits","pool":"approved","job_variables":{"env":{"TOKEN":"{{ berth.variables.token }}"}}}]}`).
		refused(http.StatusConflict, "approval-required")
	return (*refusal.Approvals)[0].ID.String()
}

// readEverything asks for all that can be read.
func (r *running) readEverything(run api.Run, approval string) {
	r.t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		r.t.Fatal(err)
	}
	fill := strings.NewReplacer("{pool}", "local", "{queue}", "default", "{deployment}", "etl", "{run}",
		run.ID.String(), "{attempt}", "1",
		"{variable}", "token", "{schedule}", "nightly", "{version}", "00000000-0000-7000-8000-000000000000",
		"{trust_rule}", "ci", "{webhook}", "failing", "{set}", "00000000-0000-7000-8000-000000000000", "{approval}", approval)
	for path, item := range spec.Paths.Map() {
		if item.Get == nil || path == "/api/v1/runs/stream" || path == "/api/v1/changes" { // which never end
			continue
		}
		url := fill.Replace(path)
		if strings.HasSuffix(path, "/logs/search") {
			url += "?text=e"
		}
		if strings.Contains(url, "{") {
			r.t.Errorf("%s: say what to fill in", path)
		}
		if got := r.call(http.MethodGet, url, ""); got.status != http.StatusOK &&
			item.Get.OperationID != "GetTemplateForWorker" && item.Get.OperationID != "GetRuleSetForWorker" &&
			!strings.HasSuffix(path, "/diff") { // the run has no earlier one to compare with
			r.t.Errorf("GET %s: %d %s", url, got.status, got.body)
		}
	}
	waiting := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?state=SCHEDULED", "")).Items
	for _, one := range waiting {
		r.call(http.MethodGet, "/api/v1/runs/"+one.ID.String()+"/explain", "").is(http.StatusOK)
	}
	r.call(http.MethodGet, "/metrics", "").is(http.StatusOK)
}
