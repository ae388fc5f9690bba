package handler_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// leaver reads so many messages of a stream, then it is gone.
type leaver struct {
	header   http.Header
	messages []string
	most     int
	leave    func()
}

func (l *leaver) Header() http.Header { return l.header }
func (l *leaver) WriteHeader(int)     {}
func (l *leaver) FlushError() error   { return nil }

func (l *leaver) Write(p []byte) (int, error) {
	if len(l.messages) == l.most {
		return 0, errors.New("gone")
	}
	l.messages = append(l.messages, string(p))
	if len(l.messages) == l.most || strings.Contains(string(p), "event: list") {
		l.leave()
	}
	return len(p), nil
}

// follow reads messages of the list of all runs, from where an id says.
func (s *scheduled) follow(lastID string, most int) []string {
	s.t.Helper()
	request := api.StreamRunsRequestObject{}
	if lastID != "" {
		request.Params.LastEventID = &lastID
	}
	ctx, leave := context.WithCancel(s.t.Context())
	defer leave()
	answer, err := s.server.StreamRuns(access.WithPrincipal(ctx, access.Anonymous()), request)
	s.check(err)
	l := &leaver{header: http.Header{}, most: most, leave: leave}
	s.check(answer.VisitStreamRunsResponse(l))
	return l.messages
}

func idOf(message string) string {
	_, rest, _ := strings.Cut(message, "id: ")
	id, _, _ := strings.Cut(rest, "\n")
	return id
}

// Who leaves in the middle of what is told at once is told the rest of it, however long ago that happened.
func TestAListThatWasToldInPartIsToldAgain(t *testing.T) {
	onEach(t, func(s *scheduled) {
		names := []string{"first", "second", "third"}
		for _, name := range names {
			_, _, err := s.CreateRun(s.t.Context(), store.NewRun{Deployment: "etl", Name: name}, actor)
			s.check(err)
			s.Advance(time.Hour)
		}
		told, id := "", ""
		for round := 1; !strings.Contains(told, "event: list"); round++ {
			messages := s.follow(id, round) // each time the reader stays a little longer
			last := messages[len(messages)-1]
			told, id = told+strings.Join(messages, ""), idOf(last)
		}
		for _, name := range names {
			if !strings.Contains(told, `"name":"`+name+`"`) {
				s.t.Errorf("nobody was told of the %s run:\n%s", name, told)
			}
		}
	})
}
