package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for events that must happen. Only failing tests wait that long.
const patience = time.Minute

// running is a server started for a test.
type running struct {
	t      testing.TB
	url    string
	admin  string // its bootstrap admin key; empty if the server runs without keys
	worker string
	http   *http.Client
	stop   func() error
}

// start starts a server with SQLite in a temporary directory on a free port. It stops with the test.
func start(t testing.TB, change ...func(*server.Options)) *running {
	t.Helper()
	dir := t.TempDir()
	storetest.SQLiteFile(t, dir)
	r := &running{t: t, http: &http.Client{Transport: &http.Transport{}}, admin: newKey(t), worker: newKey(t)}
	o := server.Options{
		Listen: "127.0.0.1:0", DataDir: dir, Version: "test",
		Logger:            slog.New(slog.NewTextHandler(t.Output(), nil)),
		BootstrapAdminKey: r.admin, BootstrapWorkerKey: r.worker,
		EnsurePools: []server.PoolSpec{{Name: "local", Type: "process"}},
		RateLimit:   -1, // tests ask as fast as they can
	}
	for _, c := range change {
		c(&o)
	}
	if o.Auth == server.AuthNone {
		r.admin, r.worker = "", ""
	}
	ready := make(chan server.Address, 1)
	o.Ready = func(a server.Address) { ready <- a }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, o) }()
	r.stop = func() error {
		cancel()
		r.http.CloseIdleConnections()
		select {
		case err := <-ended:
			ended <- err // stop may be called again
			return err
		case <-time.After(patience):
			return fmt.Errorf("the server has not stopped within %s", patience)
		}
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	select {
	case address := <-ready:
		r.url = address.URL
	case err := <-ended:
		ended <- nil
		t.Fatalf("the server has not started: %v", err)
	case <-time.After(patience):
		t.Fatal("the server is not ready")
	}
	return r
}

func withoutKeys(o *server.Options) { o.Auth = server.AuthNone }

func newKey(t testing.TB) string {
	t.Helper()
	key, err := apikey.New()
	if err != nil {
		t.Fatal(err)
	}
	return key.Text
}

// answer is a response, read completely.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// send sends a request and checks its response against openapi.yaml.
func (r *running) send(request *http.Request) answer {
	r.t.Helper()
	response, err := r.http.Do(request)
	if err != nil {
		r.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	a := r.readAll(request, response)
	r.conforms(request, response, a.body)
	return a
}

// readAll reads a response completely.
func (r *running) readAll(request *http.Request, response *http.Response) answer {
	r.t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	return answer{t: r.t, what: request.Method + " " + request.URL.Path, status: response.StatusCode,
		header: response.Header, body: body}
}

// specification finds the operation of a request in openapi.yaml.
var specification = sync.OnceValues(func() (routers.Router, error) {
	spec, err := apispec.GetSpec()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(spec)
})

// conforms checks a response against openapi.yaml. Every test does so, whatever it is about.
func (r *running) conforms(request *http.Request, response *http.Response, body []byte) {
	r.t.Helper()
	router, err := specification()
	if err != nil {
		r.t.Fatal(err)
	}
	route, parameters, err := router.FindRoute(request)
	if err != nil {
		return // not an operation of the API
	}
	clientError := response.StatusCode >= 400 && response.StatusCode < 500
	if clientError && route.Operation.Responses.Status(response.StatusCode) == nil {
		r.t.Errorf("%s %s: openapi.yaml does not declare status %d for %s",
			request.Method, request.URL.Path, response.StatusCode, route.Operation.OperationID)
	}
	if !strings.Contains(response.Header.Get("Content-Type"), "json") {
		return // text
	}
	err = openapi3filter.ValidateResponse(request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request,
			PathParams: parameters, Route: route},
		Status: response.StatusCode, Header: response.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		r.t.Errorf("%s %s: the answer is not what openapi.yaml promises: %v", request.Method,
			request.URL.Path, err)
	}
}

// request returns a request with a JSON body and an API key.
func (r *running) request(key, method, path, body string) *http.Request {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return request
}

// call calls the API as admin.
func (r *running) call(method, path, body string) answer {
	r.t.Helper()
	return r.send(r.request(r.admin, method, path, body))
}

// tell calls the worker protocol.
func tell[T any](r *running, path string, message any) T {
	r.t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		r.t.Fatal(err)
	}
	return read[T](r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/"+path,
		string(body))).is(http.StatusOK))
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// refused checks that the answer is a problem document with this code, and with a finding at each pointer.
func (a answer) refused(status int, code string, pointers ...string) api.Problem {
	a.t.Helper()
	a.is(status)
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		a.t.Errorf("%s: content type %q", a.what, kind)
	}
	document := read[api.Problem](a)
	if document.Code != code || int(document.Status) != status || document.Title == "" ||
		!strings.HasSuffix(document.Type, code) {
		a.t.Errorf("%s: got %s, want code %q", a.what, a.body, code)
	}
	for _, pointer := range pointers {
		if !points(document, pointer) {
			a.t.Errorf("%s: no finding at %q: %s", a.what, pointer, a.body)
		}
	}
	return document
}

func points(document api.Problem, pointer string) bool {
	if document.Errors == nil {
		return false
	}
	for _, finding := range *document.Errors {
		if finding.Pointer == pointer && finding.Message != "" {
			return true
		}
	}
	return false
}

func read[T any](a answer) T {
	a.t.Helper()
	var v T
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

// deploy creates a deployment of the pool `local`; more are additional JSON fields.
func (r *running) deploy(name, more string) {
	r.t.Helper()
	r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"`+name+`","pool":"local"`+more+`}]}`).is(http.StatusOK)
}

func (r *running) startRun(deployment, body string) api.Run {
	r.t.Helper()
	return read[api.Run](r.call(http.MethodPost, "/api/v1/deployments/"+deployment+"/runs",
		body).is(http.StatusCreated))
}

// aWorker is a client of the worker protocol.
type aWorker struct {
	*running
	name, pool string
}

// newWorker returns a worker of the pool `local`.
func (r *running) newWorker(name string) aWorker {
	r.t.Helper()
	return r.newWorkerOf("local", api.Process, name)
}

func (r *running) newWorkerOf(pool string, kind api.PoolType, name string) aWorker {
	r.t.Helper()
	w := aWorker{running: r, name: name, pool: pool}
	tell[api.WorkerWelcome](r, "hello", api.WorkerHello{
		Protocol: 1, Pool: pool, Worker: name, Type: kind, ClusterID: "here", Version: "test",
		SessionID: w.session(),
	})
	return w
}

func (w aWorker) claimRequest(max, wait int32) api.ClaimRequest {
	return api.ClaimRequest{RequestID: uuid.New(), Pool: w.pool, Worker: w.name, ClusterID: "here", Max: max,
		WaitSeconds: wait, SessionID: w.session()}
}

func (w aWorker) session() uuid.UUID { return storetest.SessionOf(w.pool, w.name).ID }

func (w aWorker) claim(max, wait int32) []api.Claim {
	w.t.Helper()
	return tell[api.ClaimResponse](w.running, "claim", w.claimRequest(max, wait)).Claims
}

func (w aWorker) claimOne() api.Claim {
	w.t.Helper()
	claims := w.claim(1, 20)
	if len(claims) != 1 {
		w.t.Fatalf("claimed %d runs, want one", len(claims))
	}
	return claims[0]
}

func (w aWorker) report(reports ...api.Report) []api.ReportResult {
	w.t.Helper()
	return tell[api.ReportResponse](w.running, "reports",
		api.ReportRequest{Worker: w.name, Pool: w.pool, Reports: reports}).Results
}

// see sends a report, which must be accepted.
func (w aWorker) see(claim api.Claim, kind api.ReportKind, change func(*api.Report)) {
	w.t.Helper()
	report := api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: kind}
	if change != nil {
		change(&report)
	}
	if result := w.report(report)[0]; result.Status != "accepted" {
		w.t.Fatalf("report %s: %+v", kind, result)
	}
}

func (w aWorker) write(claim api.Claim, offset int64, text string) {
	w.t.Helper()
	body, err := json.Marshal(api.LogAppend{Chunks: []api.LogAppendChunk{{AttemptID: claim.AttemptID,
		Epoch: claim.Epoch, Offset: offset, Text: text}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(w.request(w.worker, http.MethodPost, "/api/v1/worker/logs", string(body))).is(http.StatusNoContent)
}

// begin reports an attempt up to its running container.
func (w aWorker) begin(claim api.Claim) {
	w.t.Helper()
	w.see(claim, api.ReportKindManifest,
		func(r *api.Report) { r.Manifest = json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job"}`) })
	uid, name := "uid-"+claim.AttemptID.String(), "job"
	w.see(claim, api.ReportKindSubmitted, func(r *api.Report) { r.JobUID, r.JobName = &uid, &name })
	w.see(claim, api.ReportKindRunning, nil)
}

// finish ends an attempt with an exit code.
func (w aWorker) finish(claim api.Claim, code int32, lastLines string) {
	w.t.Helper()
	w.see(claim, api.ReportKindEnded, func(r *api.Report) {
		succeeded, category := code == 0, api.CategoryApp
		r.Succeeded, r.ExitCode, r.LastLines = &succeeded, &code, &lastLines
		if !succeeded {
			r.Category = &category
		}
	})
}
