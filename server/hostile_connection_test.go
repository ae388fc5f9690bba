package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// exchange sends bytes as they are and returns the responses up to the end of the connection, or until the server has
// been silent for a while.
func exchange(t *testing.T, r *running, text string) (responses []*http.Response, closed bool) {
	t.Helper()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	for {
		const silence = 3 * time.Second
		if err := connection.SetReadDeadline(time.Now().Add(silence)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return responses, false
		case err != nil:
			return responses, true
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		responses = append(responses, response)
	}
}

// TestARequestInTheBodyOfAnotherIsNotAnswered sends requests whose length proxies and servers read in different ways.
func TestARequestInTheBodyOfAnotherIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := start(t)
	head := "POST /api/v1/schedules/preview HTTP/1.1\r\nHost: berth\r\nAuthorization: Bearer " + r.admin +
		"\r\nContent-Type: application/json\r\n"
	hidden := "GET /api/v1/info HTTP/1.1\r\nHost: berth\r\nAuthorization: Bearer " + r.admin + "\r\n\r\n"
	for name, length := range map[string]string{
		"a length beside chunks":      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks beside a length":      "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"an unknown encoding":         "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"chunks twice":                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":                 "Content-Length: 0\r\nContent-Length: 4\r\n\r\nabcd",
		"a length with a sign":        "Content-Length: +4\r\n\r\nabcd",
		"a space before the colon":    "Content-Length : 4\r\n\r\nabcd",
		"a chunk with a bad length":   "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"a length of twenty digits":   "Content-Length: 99999999999999999999\r\n\r\n",
		"a vertical tab in the value": "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			responses, closed := exchange(t, r, head+length+hidden)
			for _, response := range responses {
				if response.StatusCode < 400 {
					t.Errorf("answered %s", response.Status)
				}
			}
			if len(responses) > 1 || !closed {
				t.Errorf("%d responses, closed: %t", len(responses), closed)
			}
		})
	}
}

// TestNoHeaderOrPathTurnsARequestIntoAnother is about what frameworks and proxies obey.
func TestNoHeaderOrPathTurnsARequestIntoAnother(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		request := r.request(r.admin, http.MethodPost, "/api/v1/work-pools/local?_method=DELETE", "")
		request.Header.Set(name, http.MethodDelete)
		r.send(request).is(http.StatusMethodNotAllowed)
	}
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-For"} {
		request := r.request("", http.MethodGet, "/healthz", "")
		request.Header.Set(name, "/api/v1/api-keys")
		if a := r.send(request).is(http.StatusOK); strings.Contains(string(a.body), "bootstrap") {
			t.Errorf("%s was obeyed", name)
		}
	}
	for _, path := range []string{
		"//api/v1/info", "/api//v1/info", "/api/v1/../v1/info", "/api/v1/%2e%2e/v1/info", "/api/v1/info/", "/API/v1/info",
		"/api/v1/info;x=1", "/api/v1/info%00", "/api/v1/info%0d%0aX:y", "/ui/../api/v1/info", "/ui/%2e%2e/%2e%2e/etc/passwd",
		"/ui/..%5c..%5cetc", "/healthz/..%2fapi/v1/info", "/api/v1/work-pools/..%2f..%2finfo",
	} {
		responses, _ := exchange(t, r, "GET "+path+" HTTP/1.1\r\nHost: berth\r\nConnection: close\r\nAuthorization: Bearer "+
			r.admin+"\r\n\r\n")
		if len(responses) != 1 || responses[0].StatusCode != http.StatusNotFound || responses[0].Header.Get("X") != "" {
			t.Errorf("%s: %+v", path, responses)
		}
	}
	r.send(r.request("", http.MethodGet, "/%61pi/v1/api-keys", "")).is(http.StatusNotFound) // and not without a key
}

func TestOtherSitesAndProtocolsGetNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, header := range map[string]http.Header{
		"a preflight": {"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"DELETE"}},
		"a WebSocket": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}},
		"HTTP/2 in clear": {"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABkAAQ"}},
		"another host":    {"Host": {"evil.example"}, "X-Forwarded-Host": {"evil.example"}},
	} {
		method := http.MethodGet
		if name == "a preflight" {
			method = http.MethodOptions
		}
		request := r.request(r.admin, method, "/api/v1/work-pools/local", "")
		request.Header = header.Clone()
		request.Header.Set("Authorization", "Bearer "+r.admin)
		request.Host = "evil.example"
		a := r.send(request)
		for key, values := range a.header {
			if strings.HasPrefix(key, "Access-Control-") || strings.Contains(fmt.Sprint(values), "evil.example") {
				t.Errorf("%s: the response has %s: %s", name, key, values)
			}
		}
		if a.status == http.StatusSwitchingProtocols || strings.Contains(string(a.body), "evil.example") {
			t.Errorf("%s: %d: %s", name, a.status, a.body)
		}
	}
	responses, _ := exchange(t, r, "GET /healthz HTTP/1.1\r\nHost: b\r\nX: "+strings.Repeat("x", 80_000)+"\r\n\r\n")
	if len(responses) != 1 || responses[0].StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("80 kB of headers: %+v", responses)
	}
}

func TestStreamsOfACallerAreLimited(t *testing.T) {
	t.Parallel()
	r := start(t)
	viewer, other := r.makeKey("many tabs", api.RoleViewer), r.makeKey("other", api.RoleViewer)
	open := func(key string) *http.Response {
		t.Helper()
		response, err := r.http.Do(r.request(key, http.MethodGet, "/api/v1/runs/stream", ""))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	const most = 200
	first := open(viewer)
	for range most - 1 {
		if response := open(viewer); response.StatusCode != http.StatusOK {
			t.Fatalf("a stream within the limit: %s", response.Status)
		}
	}
	refused := r.send(r.request(viewer, http.MethodGet, "/api/v1/runs/stream", ""))
	refused.refused(http.StatusTooManyRequests, "rate-limited")
	if refused.header.Get("Retry-After") == "" {
		t.Error("it is not said when to ask again")
	}
	if response := open(other); response.StatusCode != http.StatusOK {
		t.Errorf("another caller: %s", response.Status)
	}

	first.Body.Close()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); open(viewer).StatusCode != http.StatusOK; {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("a stream that was closed still counts")
		}
	}
}

// costlySchema doubles at each step: validating one value takes all that one validation may take.
func costlySchema() string {
	var definitions strings.Builder
	const doublings = 14
	for i := range doublings {
		fmt.Fprintf(&definitions, `"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	return fmt.Sprintf(`{"type":"object","$defs":{%s"a%d":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a0"}}}`,
		definitions.String(), doublings)
}

func TestCostlyValuesOfOneRequestAreBoundedTogether(t *testing.T) {
	t.Parallel()
	r := start(t)
	deployment := func(name string) string {
		return `{"name":"` + name + `","pool":"local","parameters":{"x":"a"},"parameter_schema":` + costlySchema() + `}`
	}
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[`+deployment("costly")+`]}`).is(http.StatusOK)
	r.startRun("costly", `{}`) // one is allowed

	runs := `{"runs":[` + strings.Repeat(`{"parameters":{"x":"b"}},`, 999) + `{}]}`
	document := r.call(http.MethodPost, "/api/v1/deployments/costly/runs/bulk", runs).refused(
		http.StatusUnprocessableEntity, "parameters-invalid")
	if document.Errors == nil || !strings.Contains((*document.Errors)[0].Message, "send fewer at a time") {
		t.Errorf("it is not said what to do: %+v", document)
	}
	var items []string
	for i := range 100 {
		items = append(items, deployment(fmt.Sprintf("d%d", i)))
	}
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[`+strings.Join(items, ",")+`]}`).refused(
		http.StatusUnprocessableEntity, "parameters-invalid")
}

func TestACostlySchemaIsNotTriedOnEveryDeployment(t *testing.T) {
	t.Parallel()
	r := start(t)
	var deployments []string
	for i := range 100 {
		deployments = append(deployments,
			fmt.Sprintf(`{"name":"d%d","pool":"local","job_variables":{"command":["true"],"x":"a"}}`, i))
	}
	open := `{"variables":{"type":"object","properties":{"command":{"type":"array"},"x":{}}},"job_configuration":` +
		`{"job_manifest":{"spec":{"template":{"spec":{"containers":[{"name":"job","image":"x","command":"{{ command }}"}]}}}}}}`
	const path = "/api/v1/work-pools/local/template"
	r.call(http.MethodPut, path, asSave(open)).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[`+strings.Join(deployments, ",")+`]}`).is(http.StatusOK)

	costly := strings.Replace(open, `{"type":"object","properties":{"command":{"type":"array"},"x":{}}}`,
		strings.Replace(costlySchema(), `"properties":{`, `"properties":{"command":{"type":"array"},`, 1), 1)
	viewer := r.makeKey("viewer", api.RoleViewer)
	r.send(r.request(viewer, http.MethodPost, path+"/impact", `{"document":`+costly+`}`)).refused(
		http.StatusUnprocessableEntity, "template-invalid")
	r.call(http.MethodPut, path, asSave(costly)).refused(http.StatusUnprocessableEntity, "template-invalid")
}

// TestReadingOutputCostsWhatItHas measures allocations: what one reader holds is what a slow one holds for long.
func TestReadingOutputCostsWhatItHas(t *testing.T) {
	r := start(t)
	r.deploy("d", "")
	run := r.startRun("d", `{}`)
	worker := r.newWorker("w")
	claim := worker.claimOne()
	worker.begin(claim)
	const parts, size = 16, 512 << 10
	for i := range parts {
		worker.write(claim, int64(i*size), strings.Repeat("line of output.\n", size/16))
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs", "").is(http.StatusOK)
	runtime.ReadMemStats(&after)
	if len(a.body) != parts*size {
		t.Errorf("%d bytes of output, want %d", len(a.body), parts*size)
	}
	const most = 20 // times what there is: drivers and the client copy
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most*parts*size {
		t.Errorf("reading %d MB allocated %d MB", parts*size>>20, allocated>>20)
	}
}
