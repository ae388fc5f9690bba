package server_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/request"
)

// hostileCase is one request that must be refused.
type hostileCase struct {
	name, method, path, body string
	header                   http.Header
	status                   int
	code                     string
	pointer                  string // of a finding; "-" means none
}

// hostileBodies are requests whose bodies are refused on every database.
func hostileBodies() []hostileCase {
	const preview, cancel, create = "/api/v1/schedules/preview", "/api/v1/runs/cancel", "/api/v1/deployments/d/runs"
	post := func(name, path, body, code, pointer string) hostileCase {
		status := http.StatusBadRequest
		if code == "body-too-large" {
			status = http.StatusRequestEntityTooLarge
		}
		return hostileCase{name: name, method: http.MethodPost, path: path, body: body, status: status, code: code,
			pointer: pointer}
	}
	ids := func(n int) string {
		return `{"ids":[` + strings.Repeat(`"0198c9f4-7a3c-7000-8000-000000000000",`, n-1) + `"x"]}`
	}
	cases := []hostileCase{
		post("unknown fields, 1000 of them", preview, unknownFields(1000), "invalid-body", "/f0"),
		post("unknown fields, more than a body may have values", preview, unknownFields(16_000), "invalid-body", "/f0"),
		post("ids, more than the list may have", cancel, ids(501), "invalid-body", "/ids"),
		post("ids, 400 kB of them", cancel, `{"ids":[`+strings.Repeat(`"x",`, 100_000)+`1]}`, "body-too-large", "-"),
		post("tags, more than the list may have", create, `{"tags":[`+strings.Repeat(`"x",`, 10_000)+`"x"]}`,
			"invalid-body", "/tags"),
		post("values, more than a body may have", create, `{"parameters":{"a":[`+strings.Repeat(`1,`, 20_000)+`1]}}`,
			"body-too-large", "-"),
		post("a key of 5 kB over a list of 10,000 items", preview,
			`{"schedule":{"`+strings.Repeat("k", 5000)+`":[`+strings.Repeat(`1,`, 10_000)+`1]}}`, "invalid-json", "/schedule"),
		post("a number that no float64 holds", create, `{"job_variables":{"x":[1,1e400]}}`, "invalid-body",
			"/job_variables/x/1"),
		post("a pool name that ends in a space", "/api/v1/work-pools", `{"name":"a ","type":"process"}`,
			"invalid-body", "/name"),
		post("NUL in a text filter", cancel, `{"filter":{"text":"\u0000zzzz"}}`, "invalid-body", "/filter/text"),
		post("escape in a run name", create, `{"name":"x\u001b]0;pwned\u0007"}`, "invalid-body", "/name"),
		post("bidirectional override in a tag", create, `{"tags":["a\u202eb"]}`, "invalid-body", "/tags/0"),
		post("line break in a tag", create, `{"tags":["a\nb"]}`, "invalid-body", "/tags/0"),
		post("C1 control character in a key name", "/api/v1/api-keys", `{"name":"a\u009bb","bindings":[{"role":"viewer"}]}`,
			"invalid-body", "/name"),
		post("NUL in a parameter", create, `{"parameters":{"a":"\u0000"}}`, "invalid-body", "/parameters/a"),
		post("NUL in the key of a parameter", create, `{"parameters":{"\u0000":1}}`, "invalid-body", "/parameters"),
		post("rrule with INTERVAL=0", preview, `{"schedule":{"rrule":"FREQ=DAILY;INTERVAL=0"}}`, "invalid-body", "/schedule/rrule"),
	}
	for name, at := range impossibleTimes() {
		body := fmt.Sprintf(`{"scheduled_time":%q}`, at)
		cases = append(cases,
			post("run at "+name, create, body, "invalid-body", "/scheduled_time"),
			post("runs at "+name, create+"/bulk", `{"runs":[{},`+body+`]}`, "invalid-body", "/runs/1/scheduled_time"),
			post("key that expires at "+name, "/api/v1/api-keys",
				fmt.Sprintf(`{"name":"k","bindings":[{"role":"viewer"}],"expires_at":%q}`, at), "invalid-body", "/expires_at"),
			post("preview after "+name, preview,
				fmt.Sprintf(`{"schedule":{"cron":"@daily"},"after":%q}`, at), "invalid-body", "/after"),
			post("anchor at "+name, preview,
				fmt.Sprintf(`{"schedule":{"interval_seconds":60,"anchor":%q}}`, at), "invalid-body", "/schedule/anchor"),
			post("filter by "+name, cancel, fmt.Sprintf(`{"filter":{"created_after":%q}}`, at), "invalid-body",
				"/filter/created_after"))
	}
	return cases
}

func impossibleTimes() map[string]string {
	return map[string]string{
		"the year 10000 in UTC":  "9999-12-31T23:59:59-01:00",
		"the year 0 in UTC":      "0000-01-01T00:00:00+01:00",
		"the year 0":             "0000-06-01T00:00:00Z",
		"the offset +24:00":      "2026-01-01T00:00:00+24:00",
		"a leap second":          "2026-06-30T23:59:60Z",
		"a comma for the point":  "2026-06-30T23:59:59,5Z",
		"a year of five digits":  "10000-01-01T00:00:00Z",
		"a year before Christ's": "-001-01-01T00:00:00Z",
	}
}

func unknownFields(n int) string {
	var body strings.Builder
	body.WriteString(`{"schedule":{"cron":"@daily"}`)
	for i := range n {
		fmt.Fprintf(&body, `,"f%d":0`, i)
	}
	return body.String() + "}"
}

// hostileRequests are requests that are refused for what is not in their bodies.
func hostileRequests() []hostileCase {
	get := func(name, path string, status int, code string) hostileCase {
		return hostileCase{name: name, method: http.MethodGet, path: path, status: status, code: code}
	}
	cases := []hostileCase{
		get("query with a semicolon", "/api/v1/runs/count?state=FAILED;deployment=etl", 400, "invalid-parameter"),
		get("query with a bad escape", "/api/v1/runs/count?%zz=1", 400, "invalid-parameter"),
		get("query that names a parameter twice", "/api/v1/runs/count?pool=a&pool=b", 400, "invalid-parameter"),
		get("query with NUL", "/api/v1/runs?text=%00zzzz", 400, "invalid-parameter"),
		get("query with invalid UTF-8", "/api/v1/runs?text=%ff", 400, "invalid-parameter"),
		get("query with the year 10000", "/api/v1/runs?created_after=9999-12-31T23:59:59-01:00", 400,
			"invalid-parameter"),
		get("path with NUL", "/api/v1/work-pools/a%00", 400, "invalid-parameter"),
		{name: "%2F in a name", method: http.MethodPatch, path: "/api/v1/work-pools/local%2Fqueues%2Fdefault",
			body: `{"paused":true}`, status: 404, code: "not-found"},
		get("%2F in place of a slash", "/api/v1/runs%2Fcount", 404, "not-found"),
		get("a name that is escaped twice", "/api/v1/work-pools/%256cocal", 404, "not-found"),
		get("GET of an action", "/api/v1/runs/cancel", 405, "method-not-allowed"),
	}
	for name, header := range map[string]http.Header{
		"two Content-Encoding headers": {"Content-Encoding": {"identity", "gzip"}},
		"two Content-Type headers":     {"Content-Type": {"application/json", "text/plain"}},
	} {
		cases = append(cases, hostileCase{name: name, method: http.MethodPost, path: "/api/v1/runs/cancel",
			body: `{"filter":{"pool":"local"}}`, header: header, status: 415, code: "unsupported-media-type"})
	}
	return append(cases,
		hostileCase{name: "two Idempotency-Key headers", method: http.MethodPost, path: "/api/v1/deployments/d/runs",
			body: `{}`, header: http.Header{"Idempotency-Key": {"a", "b"}}, status: 400, code: "invalid-parameter"},
		hostileCase{name: "Idempotency-Key that is not UTF-8", method: http.MethodPost,
			path: "/api/v1/deployments/d/runs", body: `{}`, header: http.Header{"Idempotency-Key": {"\xff"}},
			status: 400, code: "invalid-parameter"})
}

// hostileProtocol are requests of a worker that are refused.
func hostileProtocol() []hostileCase {
	hello := func(name, fields, code, pointer string) hostileCase {
		return hostileCase{name: name, method: http.MethodPost, path: "/api/v1/worker/hello", status: 400, code: code,
			body: `{"protocol":1,"pool":"local","worker":"w","session_id":"0197a1de-7f00-7b01-a5c3-80b396c2d0aa",` +
				`"type":"process","cluster_id":"c"` + fields + `}`,
			pointer: pointer}
	}
	return []hostileCase{
		hello("version of 100 kB", `,"version":"`+strings.Repeat("v", 100_000)+`"`, "invalid-body", "/version"),
		hello("50,000 namespaces", `,"version":"v","namespaces":[`+strings.Repeat(`"a",`, 49_999)+`"a"]`,
			"invalid-body", "/namespaces"),
		hello("null for a required field", `,"version":null`, "invalid-body", "/version"),
		hello("missing required field", ``, "invalid-body", ""),
		hello("duplicate key", `,"version":"a","version":"b"`, "invalid-json", "/version"),
		hello("trailing garbage", `,"version":"a"}x{"a":1`, "invalid-json", ""),
		hello("invalid UTF-8", ",\"version\":\"\xff\"", "invalid-json", "-"),
		hello("escape in a name", `,"version":"\u001b"`, "invalid-body", "/version"),
	}
}

func TestHostileRequestsAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*server.Options){
		"SQLite": func(*server.Options) {}, "PostgreSQL": on(pgtest.Database(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, database)
			r.deploy("d", "")
			r.startRun("d", `{"name":"stays"}`)
			for _, c := range append(hostileBodies(), hostileRequests()...) {
				t.Run(c.name, func(t *testing.T) { c.check(t, r, r.admin) })
			}
			for _, c := range hostileProtocol() {
				t.Run("worker: "+c.name, func(t *testing.T) { c.check(t, r, r.worker) })
			}

			// None of them had an effect.
			counts := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count?state=SCHEDULED", "").is(200))
			if counts.Total != 1 {
				t.Errorf("%d runs are scheduled, want 1", counts.Total)
			}
			if read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/local", "").is(200)).Paused {
				t.Error("the pool is paused")
			}
		})
	}
}

func (c hostileCase) check(t *testing.T, r *running, key string) {
	t.Helper()
	request := r.request(key, c.method, c.path, c.body)
	for name, values := range c.header {
		request.Header[name] = values
	}
	a := r.send(request)
	a.t = t
	document := a.refused(c.status, c.code)
	const longest = 40 << 10
	if len(a.body) > longest {
		t.Errorf("the response has %d bytes", len(a.body))
	}
	if c.pointer != "" && c.pointer != "-" && !points(document, c.pointer) {
		t.Errorf("no finding at %s: %s", c.pointer, a.body)
	}
	if document.Errors != nil && len(*document.Errors) > 100 {
		t.Errorf("%d findings", len(*document.Errors))
	}
	if c.status == http.StatusMethodNotAllowed && a.header.Get("Allow") != "POST" {
		t.Errorf("Allow: %s", a.header.Get("Allow"))
	}
}

// TestBodiesOfManyValuesTakeLittleMemory measures what one request allocates in all. The peak is below that.
func TestBodiesOfManyValuesTakeLittleMemory(t *testing.T) {
	r := start(t)
	r.deploy("d", "")
	for name, c := range map[string]struct{ path, body string }{
		"100,000 ids": {"/api/v1/runs/cancel", `{"ids":[` + strings.Repeat(`"x",`, 100_000) + `"x"]}`},
		"900,000 ids": {"/api/v1/runs/cancel", `{"ids":[` + strings.Repeat(`"x",`, 900_000) + `"x"]}`},
		"900,000 tags in a deployment file": {"/api/v1/apply", `{"deployments":[{"name":"a","pool":"local","tags":[` +
			strings.Repeat(`"x",`, 900_000) + `"x"]}]}`},
		"300,000 unknown fields": {"/api/v1/apply", unknownFields(300_000)},
		"a key of 500 kB over 100,000 items": {"/api/v1/apply", `{"variables": [{"` + strings.Repeat("k", 500_000) +
			`":[` + strings.Repeat("1,", 100_000) + `1]}]}`},
		"an unknown field of 4 MB": {"/api/v1/apply", `{"` + strings.Repeat("\\u0041", 600_000) + `":1}`},
		"100,000 objects":          {"/api/v1/apply", `{"pools":[` + strings.Repeat(`{"a":{}},`, 100_000) + `{}]}`},
		"200,000 empty objects in a variable": {"/api/v1/apply", `{"variables":[{"name":"a","value":[` +
			strings.Repeat(`{},`, 250_000) + `{}]}]}`},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := r.call(http.MethodPost, c.path, c.body)
		runtime.ReadMemStats(&after)
		if a.status != http.StatusBadRequest && a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", name, a.status)
		}
		const limit = 64 << 20
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > limit {
			t.Errorf("%s: allocated %d MB", name, allocated>>20)
		}
	}
}

// TestUnknownFieldsAreCheckedInLinearTime counts allocations instead of seconds.
func TestUnknownFieldsAreCheckedInLinearTime(t *testing.T) {
	r := start(t)
	allocated := func(n int) uint64 {
		var before, after runtime.MemStats
		body := unknownFields(n)
		runtime.ReadMemStats(&before)
		r.call(http.MethodPost, "/api/v1/schedules/preview", body).is(http.StatusBadRequest)
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	allocated(1000) // connections and caches
	few, many := allocated(1000), allocated(4000)
	if many > 8*few {
		t.Errorf("%d allocations for 1000 fields, %d for 4000", few, many)
	}
}

func TestSlowBodiesEndWithoutAKey(t *testing.T) {
	t.Parallel()
	r := start(t)
	address := strings.TrimPrefix(r.url, "http://")
	for _, path := range []string{"/api/v1/runs/cancel", "/healthz", "/nowhere", "/", "/api/v1/worker/logs"} {
		connection := dripping(t, address, path, "")
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if !response.Close {
			t.Errorf("%s: the connection stays open", path)
		}
		if _, err := io.Copy(io.Discard, connection); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestStoppingDoesNotWaitForSlowBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	address := strings.TrimPrefix(r.url, "http://")
	var connections sync.WaitGroup
	for range 20 {
		connection := dripping(t, address, "/api/v1/runs/cancel", r.admin)
		connections.Go(func() { _, _ = io.Copy(io.Discard, connection) })
	}
	// One response says that the server has begun to read the others, which were sent before.
	r.call(http.MethodGet, "/api/v1/info", "").is(http.StatusOK)
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	connections.Wait()
	if took := time.Since(began); took > request.BodyTimeout/2 {
		t.Errorf("stopping took %s", took)
	}
}

// dripping sends the beginning of a request whose body never ends.
func dripping(t *testing.T, address, path, key string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	authorization := ""
	if key != "" {
		authorization = "Authorization: Bearer " + key + "\r\n"
	}
	_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n"+
		"Content-Length: 200000\r\n\r\n{", path, address, authorization)
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

func TestOutputOfWorkersIsCutWithAMark(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("d", "")
	run := r.startRun("d", `{}`)
	worker := r.newWorker("w")
	claim := worker.claimOne()
	worker.begin(claim)
	long := strings.Repeat("é", 1_000_000)
	worker.see(claim, api.ReportKindEnded, func(report *api.Report) {
		code, category := int32(1), api.CategoryApp
		report.ExitCode, report.Category = &code, &category
		report.Message, report.LastLines, report.Diagnosis = &long, &long, &long
	})
	a := r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusOK)
	const longest = 100 << 10
	if len(a.body) > longest {
		t.Errorf("the run has %d bytes", len(a.body))
	}
	if !strings.Contains(string(a.body), "…") {
		t.Error("what was cut has no mark")
	}
}

// TestARowThatCannotBePrintedBreaksNeitherListsNorClaims stores what earlier versions accepted.
func TestARowThatCannotBePrintedBreaksNeitherListsNorClaims(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	files := t.TempDir()
	for name, c := range map[string]struct {
		options        func(*server.Options)
		driver, source string
		late, early    string // times as they are stored
	}{
		"SQLite": {
			func(o *server.Options) { o.DataDir = files }, "sqlite", filepath.Join(files, "berth.db"),
			"253402300799999999 + 1000000", "-62167219200000000 - 1000000",
		},
		"PostgreSQL": {
			on(address), "postgres", address, "TIMESTAMPTZ '10000-01-01 00:59:59Z'", "TIMESTAMPTZ '-infinity'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, c.options)
			r.deploy("d", "")
			late, early := r.startRun("d", `{}`), r.startRun("d", `{}`)
			db, err := sql.Open(c.driver, c.source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for id, at := range map[string]string{late.ID.String(): c.late, early.ID.String(): c.early} {
				if _, err := db.ExecContext(t.Context(),
					"UPDATE runs SET scheduled_time = "+at+" WHERE id = '"+id+"'"); err != nil {
					t.Fatal(err)
				}
			}

			list := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK))
			if len(list.Items) != 2 {
				t.Errorf("%d runs are listed, want 2", len(list.Items))
			}
			for _, run := range list.Items {
				if run.State.Message == nil || !strings.Contains(*run.State.Message, "broken in the database: scheduled_time") {
					t.Errorf("run %s is not shown as broken: %v", run.ID, run.State.Message)
				}
			}
			if claims := r.newWorker("w").claim(10, 0); len(claims) != 2 {
				t.Errorf("%d runs were claimed, want 2", len(claims))
			}
			r.call(http.MethodPost, "/api/v1/runs/cancel", `{"filter":{"deployment":"d"}}`).is(http.StatusOK)
		})
	}
}
