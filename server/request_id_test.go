package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/server"
)

// logLines is a log that is read when the server has stopped.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// withMessage are the lines of a JSON log with a message.
func (l *logLines) withMessage(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.b.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// TestARequestHasAnID in its answer, its problem document and the log, and a change is a line with it.
func TestARequestHasAnID(t *testing.T) {
	t.Parallel()
	log := &logLines{}
	r := start(t, func(o *server.Options) { o.Logger = slog.New(slog.NewJSONHandler(log, nil)) })
	send := func(method, path, body, key, id string) answer {
		request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		if id != "" {
			request.Header.Set("X-Request-Id", id)
		}
		return r.send(request)
	}
	problemID := func(a answer) any {
		document := map[string]any{}
		if err := json.Unmarshal(a.body, &document); err != nil {
			t.Fatal(err)
		}
		return document["request_id"]
	}

	missing := send(http.MethodGet, "/api/v1/work-pools/none", "", r.admin, "")
	id := missing.header.Get("X-Request-Id")
	if id == "" || problemID(missing) != id {
		t.Errorf("the answer has ID %q, its document %v", id, problemID(missing))
	}
	if given := send(http.MethodGet, "/api/v1/work-pools/none", "", r.admin, "proxy-1").header.Get("X-Request-Id"); given != "proxy-1" {
		t.Errorf("the ID of the proxy became %q", given)
	}
	for _, odd := range []string{"a b", "\"", strings.Repeat("x", 65)} {
		if given := send(http.MethodGet, "/api/v1/work-pools/none", "", r.admin, odd).header.Get("X-Request-Id"); given == odd || given == "" {
			t.Errorf("the ID %q became %q", odd, given)
		}
	}
	send(http.MethodGet, "/api/v1/work-pools", "", "berth_wrong", "refused-1").is(http.StatusUnauthorized)
	send(http.MethodPost, "/api/v1/work-pools", `{"name": "etl", "type": "process"}`, r.admin, "change-1").is(http.StatusCreated)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	refused := log.withMessage(t, "request refused")
	if len(refused) != 1 || refused[0]["request"] != "refused-1" || refused[0]["installation"] == nil {
		t.Errorf("refused: %v", refused)
	}
	var created map[string]any
	for _, line := range log.withMessage(t, "changed") {
		if line["name"] == "etl" && line["kind"] == "pool" {
			created = line
		}
	}
	if created == nil || created["request"] != "change-1" || created["action"] != "create" || created["actor"] == "" {
		t.Errorf("created: %v", created)
	}
}
