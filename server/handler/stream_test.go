package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/handler"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// disconnectingReader reads a number of messages of a stream and then disconnects.
type disconnectingReader struct {
	header     http.Header
	messages   []string
	limit      int
	disconnect func()
}

func (r *disconnectingReader) Header() http.Header { return r.header }
func (r *disconnectingReader) WriteHeader(int)     {}
func (r *disconnectingReader) FlushError() error   { return nil }

func (r *disconnectingReader) Write(p []byte) (int, error) {
	if len(r.messages) == r.limit {
		return 0, errors.New("disconnected")
	}
	r.messages = append(r.messages, string(p))
	if len(r.messages) == r.limit || strings.Contains(string(p), "event: list") {
		r.disconnect()
	}
	return len(p), nil
}

// follow reads up to limit messages of the list of all runs, from the id of an earlier message.
func follow(t *testing.T, h *handler.Handler, lastID string, limit int) []string {
	t.Helper()
	request := apiserver.StreamRunsRequestObject{}
	if lastID != "" {
		request.Params.LastEventID = &lastID
	}
	ctx, disconnect := context.WithCancel(t.Context())
	defer disconnect()
	response, err := h.StreamRuns(access.WithPrincipal(ctx, access.Anonymous()), request)
	if err != nil {
		t.Fatal(err)
	}
	reader := &disconnectingReader{header: http.Header{}, limit: limit, disconnect: disconnect}
	if err := response.VisitStreamRunsResponse(reader); err != nil {
		t.Fatal(err)
	}
	return reader.messages
}

func idOf(message string) string {
	_, rest, _ := strings.Cut(message, "id: ")
	id, _, _ := strings.Cut(rest, "\n")
	return id
}

func TestAReaderThatDisconnectsWithinAListIsSentTheRestLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Store) {
		names := []string{"first", "second", "third"}
		createRuns(t, db, names)
		h := handler.New(
			handler.Options{
				Store:  db.Store,
				Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
				Now:    db.Now,
			},
		)

		sent, id := "", ""
		for limit := 1; !strings.Contains(sent, "event: list"); limit++ {
			messages := follow(t, h, id, limit)
			sent, id = sent+strings.Join(messages, ""), idOf(messages[len(messages)-1])
		}
		for _, name := range names {
			if !strings.Contains(sent, `"name":"`+name+`"`) {
				t.Errorf("the %s run was never sent:\n%s", name, sent)
			}
		}
	})
}

// createRuns creates runs an hour apart, longer than a reconnecting reader is sent again.
func createRuns(t *testing.T, db *storetest.Store, names []string) {
	t.Helper()
	const actor = "ada"
	template := store.TemplateDocument{Document: json.RawMessage(`{"job_configuration":{"command":"true",` + storetest.Manifest + `}}`)}
	if _, err := db.CreatePool(t.Context(), store.NewPool{Name: "local", Type: "process", Template: template}, actor); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.UpsertDeployment(t.Context(), store.Deployment{Name: "etl", Pool: "local"}, actor); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, _, err := db.CreateRun(t.Context(), store.NewRun{Deployment: "etl", Name: name}, actor); err != nil {
			t.Fatal(err)
		}
		db.Advance(time.Hour)
	}
}
