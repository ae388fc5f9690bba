package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

func TestPoolWithLiveRunsIsDeletedOnlyWithForce(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	r.call(http.MethodDelete, "/api/v1/deployments/etl", "").refused(http.StatusConflict,
		"deployment-has-live-runs")
	r.call(http.MethodDelete, "/api/v1/work-pools/local", "").refused(http.StatusConflict,
		"pool-in-use")
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").refused(http.StatusConflict,
		"run-not-finished")
	r.call(http.MethodDelete, "/api/v1/deployments/etl?force=true", "").is(http.StatusOK)
	r.call(http.MethodGet, "/api/v1/deployments/etl", "").refused(http.StatusNotFound, "not-found")
	r.call(http.MethodDelete, "/api/v1/work-pools/local?force=true", "").is(http.StatusOK)
	r.call(http.MethodGet, "/api/v1/work-pools/local", "").refused(http.StatusNotFound, "not-found")
}

func TestFailedRunIsRetriedByRequest(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.write(claim, 0, "no\n")
	w.finish(claim, 3, "no\n")
	path := "/api/v1/runs/" + run.ID.String()
	if got := read[api.RunDetail](r.call(http.MethodGet, path, "")).Run; got.State.Type != api.FAILED ||
		*got.ExitCode != 3 || *got.Category != api.CategoryApp {
		t.Errorf("got %+v", got)
	}
	r.call(http.MethodPost, path+"/retry", "").is(http.StatusOK)
	again := w.claimOne()
	if again.RunID != run.ID || again.Attempt != 2 {
		t.Fatalf("claimed %+v", again)
	}
	w.begin(again)
	w.write(again, 0, "yes\n")
	w.finish(again, 0, "yes\n")
	if got := read[api.RunDetail](r.call(http.MethodGet, path, "")); got.Run.State.Type != api.COMPLETED ||
		len(got.Attempts) != 2 {
		t.Errorf("got %+v", got)
	}
	for query, want := range map[string]string{"": "yes\n", "?attempt=1": "no\n", "?attempt=2": "yes\n"} {
		if got := string(r.call(http.MethodGet, path+"/logs"+query, "").is(http.StatusOK).body); got != want {
			t.Errorf("logs%s are %q, want %q", query, got, want)
		}
	}
	r.call(http.MethodGet, path+"/logs?attempt=3", "").refused(http.StatusNotFound, "not-found")
	r.call(http.MethodGet, path+"/attempts/3/manifest", "").refused(http.StatusNotFound, "not-found")
}

func TestLongOutputIsReturnedCompletely(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	var want strings.Builder
	for i := range 20 {
		text := strings.Repeat(fmt.Sprintf("line %d ü\n", i), 5000)
		w.write(claim, int64(want.Len()), text)
		want.WriteString(text)
	}
	if got := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs",
		"").is(http.StatusOK).body); got != want.String() {
		t.Errorf("%d bytes came back of %d", len(got), want.Len())
	}
	s := r.stream(run, "", "")
	w.finish(claim, 0, "")
	if got := output(s.until(isEnd)); got != want.String() {
		t.Errorf("%d bytes were streamed of %d", len(got), want.Len())
	}
}

func TestQueuesVariablesAndKeys(t *testing.T) {
	t.Parallel()
	r := start(t)
	queue := read[api.WorkQueue](r.call(http.MethodPost, "/api/v1/work-pools/local/queues",
		`{"name":"fast","priority":1,"concurrency_limit":0}`).is(http.StatusCreated))
	if queue.ConcurrencyLimit == nil || *queue.ConcurrencyLimit != 0 || queue.Pool != "local" {
		t.Errorf("got %+v", queue)
	}
	r.call(http.MethodPost, "/api/v1/work-pools/local/queues", `{"name":"fast"}`).refused(http.StatusConflict,
		"already-exists")
	r.call(http.MethodGet, "/api/v1/work-pools/nowhere/queues", "").refused(http.StatusNotFound, "not-found")

	r.call(http.MethodPut, "/api/v1/variables/a",
		`{"value":{"big":9007199254740993,"none":null}}`).is(http.StatusOK)
	if got := string(read[api.Variable](r.call(http.MethodGet, "/api/v1/variables/a",
		"").is(http.StatusOK)).Value); got != `{"big":9007199254740993,"none":null}` {
		t.Errorf("the variable is %s", got)
	}
	r.call(http.MethodPut, "/api/v1/variables/b", `{"value":null}`).is(http.StatusOK)
	first := read[api.VariableList](r.call(http.MethodGet, "/api/v1/variables?limit=1", "").is(http.StatusOK))
	second := read[api.VariableList](r.call(http.MethodGet,
		"/api/v1/variables?limit=1&cursor="+*first.NextCursor, "").is(http.StatusOK))
	if len(first.Items) != 1 || first.Items[0].Name != "a" || len(second.Items) != 1 ||
		second.Items[0].Name != "b" || second.NextCursor != nil {
		t.Errorf("got %+v, then %+v", first, second)
	}
	r.call(http.MethodDelete, "/api/v1/variables/a", "").is(http.StatusOK)
	r.call(http.MethodDelete, "/api/v1/variables/a", "").refused(http.StatusNotFound, "not-found")

	r.makeKey("k", api.RoleViewer)
	r.call(http.MethodPost, "/api/v1/api-keys", `{"name":"k","bindings":[{"role":"viewer","pool":"*"}]}`).refused(http.StatusConflict,
		"already-exists")
}

// logged keeps what a server logs.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

func TestKeysAreNeverLoggedOrReturned(t *testing.T) {
	t.Parallel()
	var log logged
	r := start(t, func(o *server.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	made, unknown := r.makeKey("k", api.RoleViewer), newKey(t)
	var answers bytes.Buffer
	for _, key := range []string{r.admin, r.worker, made, unknown, made[:len(made)-1] + "A"} {
		for _, path := range []string{"/api/v1/info", "/api/v1/api-keys", "/api/v1/nothing", "/metrics"} {
			answers.Write(r.send(r.request(key, http.MethodGet, path, "")).body)
		}
		answers.Write(r.send(r.request(key, http.MethodPost, "/api/v1/worker/hello", `{"pool":`)).body)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{r.admin, r.worker, made, unknown} {
		secret := key[len(key)-43:]
		if strings.Contains(log.String(), secret) || strings.Contains(answers.String(), secret) {
			t.Error("a key's secret was told")
		}
	}
	if !strings.Contains(log.String(), "request refused") {
		t.Error("refused requests leave no line in the log")
	}
}
