package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// message is one server-sent event.
type message struct{ id, event, data string }

// stream is an open stream of a run.
type stream struct {
	t        testing.TB
	response *http.Response
	messages chan message
}

func (r *running) stream(run api.Run, query, lastID string) *stream {
	r.t.Helper()
	request := r.request(r.admin, http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream"+query, "")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	s := &stream{t: r.t, response: response, messages: make(chan message, 1000)}
	r.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" ||
		response.Header.Get("X-Accel-Buffering") != "no" {
		r.t.Fatalf("the stream began with %s %v", response.Status, response.Header)
	}
	go s.read()
	return s
}

func (s *stream) read() {
	defer close(s.messages)
	var m message
	lines := bufio.NewScanner(s.response.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			if m.event != "" {
				s.messages <- m
			}
			m = message{}
		}
	}
}

func (s *stream) next() (message, bool) {
	s.t.Helper()
	select {
	case m, ok := <-s.messages:
		return m, ok
	case <-time.After(patience):
		s.t.Fatal("the stream is silent")
		return message{}, false
	}
}

// until reads up to the first message that is wanted, and returns all of them.
func (s *stream) until(wanted func(message) bool) []message {
	s.t.Helper()
	var all []message
	for {
		m, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream has ended after %+v", all)
		}
		if all = append(all, m); wanted(m) {
			return all
		}
	}
}

func isEnd(m message) bool { return m.event == "end" }

func isState(kind api.StateType) func(message) bool {
	return func(m message) bool {
		var event api.RunEvent
		return m.event == "event" && json.Unmarshal([]byte(m.data), &event) == nil && event.State.Type == kind
	}
}

func output(messages []message) string {
	var b strings.Builder
	for _, m := range messages {
		var chunk api.LogChunk
		if m.event == "log" && json.Unmarshal([]byte(m.data), &chunk) == nil {
			b.WriteString(chunk.Text)
		}
	}
	return b.String()
}

func TestStreamOfARun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	s := r.stream(run, "", "")
	s.until(isState(api.SCHEDULED))
	w := r.newWorker("w1")
	claim := w.claimOne()
	s.until(isState(api.PENDING))
	w.begin(claim)
	s.until(isState(api.RUNNING))
	w.write(claim, 0, "first line\n")
	s.until(func(m message) bool { return m.event == "log" && strings.Contains(m.data, "first line") })
	w.finish(claim, 0, "first line\nlast line\n")
	w.write(claim, 11, "last line\n") // the outcome never waits for the output
	rest := s.until(isEnd)
	if got := output(rest); got != "last line\n" {
		t.Errorf("the rest of the output is %q", got)
	}
	var ended api.Run
	if err := json.Unmarshal([]byte(rest[len(rest)-1].data), &ended); err != nil ||
		ended.State.Type != api.COMPLETED {
		t.Errorf("the end is %s: %v", rest[len(rest)-1].data, err)
	}
	if m, ok := s.next(); ok {
		t.Errorf("after the end came %+v", m)
	}
}

func TestStreamResumesFromTheLastEventID(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", `,"retries":{"max":1}`)
	run := r.startRun("hello", `{}`)
	w := r.newWorker("w1")
	for attempt, code := range []int32{1, 0} {
		claim := w.claimOne()
		w.begin(claim)
		text := "attempt " + string(rune('1'+attempt)) + " häh\n"
		w.write(claim, 0, text)
		w.write(claim, int64(len(text)), "more\n")
		w.finish(claim, code, text+"more\n")
	}
	whole := r.stream(run, "", "").until(isEnd)
	want := "attempt 1 häh\nmore\nattempt 2 häh\nmore\n"
	if got := output(whole); got != want {
		t.Fatalf("the output is %q, want %q", got, want)
	}
	for i, m := range whole[:len(whole)-1] {
		rest := r.stream(run, "", m.id).until(isEnd)
		if got, want := texts(rest), texts(whole[i+1:]); got != want {
			t.Errorf("after id %s came\n%s\nwant\n%s", m.id, got, want)
		}
	}
	quiet := r.stream(run, "?logs=false", "").until(isEnd)
	if got := output(quiet); got != "" {
		t.Errorf("without logs came %q", got)
	}
	request := r.request(r.admin, http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream", "")
	request.Header.Set("Last-Event-ID", "1.2")
	r.send(request).refused(http.StatusBadRequest, "invalid-parameter")
}

// TestAStreamBeginsAtOnce also where it has nothing to send yet: readers and proxies wait for its beginning.
func TestAStreamBeginsAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // less than a heartbeat
	defer cancel()
	request := r.request(r.admin, http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream?after=1000&last_bytes=0", "")
	response, err := r.http.Do(request.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

// texts is what a list of messages says: which events, and the output as one text, however it was cut.
func texts(messages []message) string {
	var events strings.Builder
	for _, m := range messages {
		if m.event == "event" {
			events.WriteString(m.data + "\n")
		}
	}
	return events.String() + output(messages)
}

func TestStoppingTheServerEndsStreams(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	s := r.stream(r.startRun("hello", `{}`), "", "")
	s.until(isState(api.SCHEDULED))
	stopped := async(r.stop)
	for {
		if m, ok := s.next(); !ok {
			break
		} else if isEnd(m) {
			t.Error("the end of the server was sent as the end of the run")
		}
	}
	if err := await(t, stopped, "stopping"); err != nil {
		t.Error(err)
	}
}
