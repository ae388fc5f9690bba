package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// jobVariables is an object of job variables that has so many bytes.
func jobVariables(bytes int) string {
	const around = len(`{"env":{"A":"","B":"","C":""}}`)
	third := strings.Repeat("x", (bytes-around)/3) // more in one would be too much for Linux
	rest := strings.Repeat("x", bytes-around-2*len(third))
	return `{"env":{"A":"` + third + `","B":"` + third + `","C":"` + rest + `"}}`
}

const largest = 256 << 10 // of the job variables of a run, in bytes

// TestListsOfRunsWithLargeJobVariablesTakeLittleMemory counts bytes: of the answers, and of what the process
// allocates for them. Four such lists ended a server of 512 MiB.
func TestListsOfRunsWithLargeJobVariablesTakeLittleMemory(t *testing.T) { // not parallel: it counts allocations
	dir := t.TempDir()
	in := func(o *server.Options) { o.DataDir = dir }
	r := start(t, in)
	r.deploy("large", "")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	createLargeRuns(t, dir, "large", 100)

	r = start(t, in)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var lists sync.WaitGroup
	bytes := make([]int, 4)
	for i := range bytes {
		lists.Go(func() {
			list := r.call(http.MethodGet, "/api/v1/runs?limit=100", "")
			bytes[i] = len(list.body)
			if n := len(read[api.RunList](list.is(http.StatusOK)).Items); n != 100 {
				t.Errorf("listed %d runs, want 100", n)
			}
		})
	}
	lists.Wait()
	cancelled := r.call(http.MethodPost, "/api/v1/runs/cancel", `{"filter":{"deployment":"large"}}`).is(http.StatusOK)
	runtime.ReadMemStats(&after)

	const mostAnswer, mostAllocated = 128 << 10, 512 << 20 // cancelling reads each run by itself
	for _, n := range append(bytes, len(cancelled.body)) {
		if n > mostAnswer {
			t.Errorf("an answer has %d bytes, want at most %d", n, mostAnswer)
		}
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > mostAllocated {
		t.Errorf("the lists allocated %d MB", n>>20)
	}
	t.Logf("answers: %v bytes, bulk cancel: %d bytes, allocated: %d MB, heap: %d MB", bytes, len(cancelled.body),
		(after.TotalAlloc-before.TotalAlloc)>>20, after.HeapAlloc>>20)

	one := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+
		read[api.RunBulkResult](cancelled).Done[0].ID.String(), "").is(http.StatusOK))
	if len(one.Run.JobVariables) < 1<<20 {
		t.Errorf("a run by itself has %d bytes of job variables", len(one.Run.JobVariables))
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("it has not come")
		case <-again.C:
		}
	}
}

// createLargeRuns creates runs with a megabyte of job variables each, past the checks of the API.
func createLargeRuns(t *testing.T, dir, deployment string, n int) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite://" + dir + "/berth.db"})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		_, _, err := s.CreateRun(t.Context(), store.NewRun{
			Deployment: deployment, JobVariables: json.RawMessage(jobVariables(1 << 20)),
		}, "test")
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListsOfDeploymentsAndSchedulesLeaveTheirValuesOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	values := `"job_variables":` + jobVariables(1000) + `,"parameters":{"p":"` + strings.Repeat("x", 1000) + `"}`
	r.deploy("d", `,"parameter_schema":{"type":"object","title":"`+strings.Repeat("x", 1000)+`"},`+values+
		`,"schedules":[{"cron":"0 6 * * *",`+values+`}]`)
	for _, path := range []string{"/api/v1/deployments", "/api/v1/schedules"} {
		if list := r.call(http.MethodGet, path, "").is(http.StatusOK); len(list.body) > 1000 {
			t.Errorf("%s: %d bytes: %s", path, len(list.body), list.body)
		}
	}
	one := read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/d", "").is(http.StatusOK))
	if len(one.JobVariables) != 1000 || len(one.Parameters) < 1000 || len(one.ParameterSchema) < 1000 ||
		len((*one.Schedules)[0].Spec.JobVariables) != 1000 {
		t.Errorf("a deployment by itself lacks values: %+v", one)
	}
}

func TestJobVariablesAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t)
	apply := func(more string) answer {
		return r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"d","pool":"local"`+more+`}]}`)
	}
	apply(`,"job_variables":`+jobVariables(largest+1)).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/job_variables")
	apply(`,"job_variables":` + jobVariables(largest)).is(http.StatusOK)
	apply(`,"job_variables":`+jobVariables(1000)+`,"schedules":[{"cron":"0 6 * * *","job_variables":`+
		jobVariables(largest)+`}]`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/schedules/0/job_variables")

	const runs = "/api/v1/deployments/d/runs"
	apply("").is(http.StatusOK)
	r.call(http.MethodPost, runs, `{"job_variables":`+jobVariables(largest+1)+`}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	r.call(http.MethodPost, runs, `{"job_variables":`+jobVariables(largest)+`}`).is(http.StatusCreated)

	// Each is small enough alone; the environments of both are joined.
	apply(`,"job_variables":` + jobVariables(largest/2+20)).is(http.StatusOK)
	r.call(http.MethodPost, runs, `{"job_variables":`+jobVariables(largest/2)+`}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	r.call(http.MethodPost, runs+"/bulk", `{"runs":[{},{"job_variables":`+jobVariables(largest/2)+`}]}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/runs/1/job_variables")
}

func TestStoredVariablesCountWhereJobVariablesReferToThem(t *testing.T) {
	t.Parallel()
	r := start(t)
	put := func(name string, bytes int) answer {
		return r.call(http.MethodPut, "/api/v1/variables/"+name, `{"value":"`+strings.Repeat("x", bytes-2)+`"}`)
	}
	const most = 64 << 10
	put("large", most+1).refused(http.StatusUnprocessableEntity, "variables-invalid", "/value")
	r.call(http.MethodPost, "/api/v1/apply", `{"variables":[{"name":"v","value":"`+strings.Repeat("x", most)+`"}]}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/variables/0/value")

	var references []string
	for i := range 4 {
		put("v"+strconv.Itoa(i), most).is(http.StatusOK)
		references = append(references, fmt.Sprintf(`"V%d":"{{ berth.variables.v%d }}"`, i, i))
	}
	r.deploy("d", "")
	run := func(n int) answer {
		return r.call(http.MethodPost, "/api/v1/deployments/d/runs",
			`{"job_variables":{"env":{`+strings.Join(references[:n], ",")+`}}}`)
	}
	run(3).is(http.StatusCreated)
	run(4).refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
}

func TestAClaimAnswerIsBoundedInBytesAndNoRunIsLost(t *testing.T) {
	t.Parallel()
	r := start(t)
	const total, answerBytes = 60, 8<<20 + 1<<20 // a claim has more than its documents
	r.deploy("large", `,"job_variables":`+jobVariables(200<<10))
	r.call(http.MethodPost, "/api/v1/deployments/large/runs/bulk",
		`{"runs":[{}`+strings.Repeat(`,{}`, total-1)+`]}`).is(http.StatusOK)
	w := r.newWorker("w")
	claimed := map[uuid.UUID]bool{}
	for len(claimed) < total {
		body, err := json.Marshal(w.claimRequest(1000, 0))
		if err != nil {
			t.Fatal(err)
		}
		answer := r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/claim", string(body))).is(http.StatusOK)
		if len(answer.body) > answerBytes {
			t.Fatalf("an answer has %d bytes, want at most %d", len(answer.body), answerBytes)
		}
		claims := read[api.ClaimResponse](answer).Claims
		if len(claims) == 0 {
			t.Fatalf("nothing to claim after %d of %d runs", len(claimed), total)
		}
		for _, c := range claims {
			if claimed[c.RunID] || c.Epoch != 1 {
				t.Errorf("run %s was claimed with epoch %d, and before: %v", c.RunID, c.Epoch, claimed[c.RunID])
			}
			claimed[c.RunID] = true
		}
	}
}

// TestBodiesUnderWayAreBoundedTogether: a client that sends slowly holds what it declares. Workers have their
// own half.
func TestBodiesUnderWayAreBoundedTogether(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.BodyMemory = 1 }) // two halves of one largest body each
	apply := func(body io.Reader, length int64) *http.Request {
		request := r.request(r.admin, http.MethodPost, "/api/v1/apply", "")
		request.Header.Set("Content-Type", "application/json")
		request.Body, request.ContentLength = io.NopCloser(body), length
		return request
	}
	const document = 4 << 20 // the longest body of this operation
	patient := *r.http
	patient.Transport = &http.Transport{ExpectContinueTimeout: time.Minute}
	var slow []*io.PipeWriter
	var answers sync.WaitGroup
	for range 2 {
		reader, writer := io.Pipe()
		slow = append(slow, writer)
		request := apply(reader, document)
		request.Header.Set("Expect", "100-continue")
		answers.Go(func() {
			response, err := patient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("a slow body has the answer %s", response.Status)
			}
		})
		if _, err := writer.Write([]byte(`{"deployments":[`)); err != nil { // the server has asked for it
			t.Fatal(err)
		}
	}

	refused := r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[]}`)
	refused.refused(http.StatusServiceUnavailable, "unavailable")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)
	r.newWorker("w").claim(1, 0) // workers are served

	for _, writer := range slow {
		if _, err := writer.Write([]byte(strings.Repeat(" ", document-len(`{"deployments":[]}`)) + "]}")); err != nil {
			t.Fatal(err)
		}
		writer.Close()
	}
	answers.Wait()
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[]}`).is(http.StatusOK)
}
