package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
)

// breaking is a server whose connections break at the worst moments: each request gets the next script, and
// the id that it resumed from is kept.
type breaking struct {
	mu      sync.Mutex
	scripts []func(http.ResponseWriter, *http.Request)
	resumed []string
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.resumed = append(b.resumed, r.Header.Get("Last-Event-ID"))
	script := b.scripts[min(len(b.resumed), len(b.scripts))-1]
	b.mu.Unlock()
	script(w, r)
}

func stream(parts ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range parts {
			fmt.Fprint(w, part)
		}
		w.(http.Flusher).Flush()
	}
}

func cut(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }

func problem(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"title":"no","status":%d,"code":"x","detail":"told you so"}`, status)
	}
}

const (
	pending = `id: 1` + "\n" + `event: event` + "\n" + `data: {"seq":1,"at":"2026-01-01T10:00:00Z","actor":"w","message":"claimed","state":{"type":"PENDING","name":"Claimed","at":"2026-01-01T10:00:00Z"}}` + "\n\n"
	hello   = `: heartbeat` + "\n\n" + `id: 1-7` + "\n" + `event: log` + "\n" + `data: {"attempt":1,"offset":0,"text":"hel"}` + "\n\n"
	rest    = `id: 1-9` + "\n" + `event: log` + "\n" + `data: {"attempt":1,"offset":3,"text":"lo\nwor"}` + "\n\n"
	half    = `id: 2` + "\n" + `event: event` + "\n" + `data: {"seq":2,`
	unknown = `id: 1-8` + "\n" + `event: fanfare` + "\n" + `data: tata` + "\n\n"
)

const completed = `id: 3` + "\n" + `event: event` + "\n" + `data: {"seq":3,"at":"2026-01-01T10:00:09Z","actor":"w","message":"","state":{"type":"COMPLETED","name":"Completed","at":"2026-01-01T10:00:09Z"}}` + "\n\n"

func end(id uuid.UUID) string {
	return `event: end` + "\n" + `data: {"id":"` + id.String() + `","name":"n","deployment":"d","deployment_id":"` + id.String() +
		`","pool":"p","queue":"q","state":{"type":"COMPLETED","name":"Completed","at":"2026-01-01T10:00:09Z"},"parameters":{},"job_variables":{},"tags":[],` +
		`"scheduled_time":"2026-01-01T10:00:00Z","created_at":"2026-01-01T10:00:00Z","created_by":"me","attempt":1}` + "\n\n"
}

func follow(
	t *testing.T, server *breaking, id uuid.UUID, silence time.Duration,
) (out, notes string, run api.Run, err error) {
	t.Helper()
	listener := httptest.NewServer(server)
	defer listener.Close()
	var stdout, stderr bytes.Buffer
	app := &cli.App{
		Out: &stdout, Err: &stderr, Now: time.Now,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	client, err := app.NewClient(cli.Connection{URL: listener.URL})
	if err != nil {
		t.Fatal(err)
	}
	f := watch.New(client, id, true)
	f.Silence = silence
	f.Pause = func(n int) (time.Duration, bool) { return 0, n < 5 }
	printer := watch.NewPrinter(app)
	run, err = f.Follow(t.Context(), printer)
	if flushErr := printer.Flush(); flushErr != nil {
		t.Fatal(flushErr)
	}
	return stdout.String(), stderr.String(), run, err
}

func TestARunIsFollowedThroughBrokenConnectionsWithoutLosingOrRepeating(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	server := &breaking{scripts: []func(http.ResponseWriter, *http.Request){
		stream(pending, hello, half), cut, problem(503), stream(unknown, completed, rest, end(id)),
	}}
	out, notes, run, err := follow(t, server, id, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if run.ID != id || run.State.Type != "COMPLETED" {
		t.Errorf("got run %+v", run)
	}
	if want := "PENDING     Claimed: claimed\n        │ hello\n        │ wor\nTIME  COMPLETED\n"; !strings.HasSuffix(
		anyTime.ReplaceAllString(out, "TIME"), want,
	) {
		t.Errorf("got %q, want it to end with %q", out, want)
	}
	if got, want := strings.Join(server.resumed, ","), ",1-7,1-7,1-7"; got != want {
		t.Errorf("resumed from %q, want %q", got, want)
	}
	if strings.Count(notes, "connection lost") > 1 {
		t.Errorf("the loss was told more than once: %q", notes)
	}
}

var anyTime = regexp.MustCompile(`\d\d:\d\d:\d\d`)

func TestASilentConnectionIsMadeAgain(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	server := &breaking{scripts: []func(http.ResponseWriter, *http.Request){
		func(w http.ResponseWriter, r *http.Request) {
			stream(pending)(w, r)
			<-r.Context().Done()
		},
		stream(end(id)),
	}}
	_, notes, _, err := follow(t, server, id, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(notes, "silent") {
		t.Errorf("got notes %q", notes)
	}
}

func TestWhatAnotherConnectionWillNotCureEndsTheWatch(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	for _, test := range []struct {
		name     string
		scripts  []func(http.ResponseWriter, *http.Request)
		want     string
		requests int
	}{
		{"a run that is not there", []func(http.ResponseWriter, *http.Request){problem(404)}, "told you so", 1},
		{"a key that was revoked on the way", []func(http.ResponseWriter, *http.Request){stream(pending), problem(401)}, "told you so", 2},
		{"a server that stays away", []func(http.ResponseWriter, *http.Request){stream(pending), problem(503)}, "told you so", 5},
		{"a server that was never there", []func(http.ResponseWriter, *http.Request){cut}, "cannot reach the server", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := &breaking{scripts: test.scripts}
			_, _, _, err := follow(t, server, id, time.Minute)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(server.resumed) != test.requests {
				t.Errorf("got %d requests, want %d", len(server.resumed), test.requests)
			}
		})
	}
}

func TestTheEndOfTheContextEndsTheWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream(pending)(w, r)
		<-r.Context().Done()
	}))
	defer listener.Close()
	app := &cli.App{
		Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Now: time.Now,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	client, err := app.NewClient(cli.Connection{URL: listener.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = watch.New(client, uuid.New(), true).Follow(ctx, stopper{cancel})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type stopper struct{ stop func() }

func (s stopper) Event(api.RunEvent) error  { s.stop(); return nil }
func (s stopper) Output(api.LogChunk) error { return nil }
func (s stopper) Lost(error)                {}

func TestStatesWithNothingNewToSayAreNotRepeated(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	event := func(seq int, state, name, message string) string {
		return fmt.Sprintf(
			"id: %d\nevent: event\ndata: {\"seq\":%d,\"at\":\"2026-01-01T10:00:00Z\",\"actor\":\"w\",\"attempt\":1,\"message\":%q,"+
				"\"state\":{\"type\":%q,\"name\":%q,\"at\":\"2026-01-01T10:00:00Z\"}}\n\n",
			seq,
			seq,
			message,
			state,
			name,
		)
	}
	server := &breaking{scripts: []func(http.ResponseWriter, *http.Request){stream(
		event(1, "SCHEDULED", "Scheduled", ""),
		event(2, "PENDING", "Claimed", "claimed by w"),
		event(3, "PENDING", "Submitting", ""),
		event(4, "PENDING", "InfrastructurePending", "no node has 4 CPUs free"),
		event(5, "PENDING", "InfrastructurePending", ""),
		event(6, "PENDING", "InfrastructurePending", "no node has 4 CPUs free"),
		event(7, "PENDING", "InfrastructurePending", "pulling the image"),
		event(8, "RUNNING", "Running", "on node a"),
		event(9, "RUNNING", "Running", "on node a"),
		completed,
		end(id),
	)}}
	out, _, _, err := follow(t, server, id, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := `TIME  SCHEDULED
TIME  PENDING     Claimed: claimed by w
TIME  PENDING     InfrastructurePending: no node has 4 CPUs free
TIME  PENDING     InfrastructurePending: pulling the image
TIME  RUNNING     on node a
TIME  COMPLETED
`
	if got := anyTime.ReplaceAllString(out, "TIME"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Output and states travel separately. What a person reads is in the order in which it happened.
func TestOutputComesAfterTheStateThatItWasWrittenIn(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	event := func(seq int, state, message string) string {
		return fmt.Sprintf("id: %d\nevent: event\ndata: {\"seq\":%d,\"at\":\"2026-01-01T10:00:00Z\",\"actor\":\"w\",\"attempt\":1,"+
			"\"message\":%q,\"state\":{\"type\":%q,\"name\":%q,\"at\":\"2026-01-01T10:00:00Z\"}}\n\n", seq, seq, message, state, state)
	}
	log := func(offset int, text string) string {
		return fmt.Sprintf("id: 1-%d\nevent: log\ndata: {\"attempt\":1,\"offset\":%d,\"text\":%q}\n\n", offset, offset, text)
	}
	for _, test := range []struct {
		name   string
		stream []string
		want   string
	}{
		{
			"all of it before the states",
			[]string{log(0, "one\n"), event(1, "PENDING", "created"), log(4, "two\n"), event(2, "RUNNING", "on node a"), completed},
			"TIME  PENDING     created\nTIME  RUNNING     on node a\n        │ one\n        │ two\nTIME  COMPLETED\n",
		},
		{
			"the last of it after the end",
			[]string{event(1, "PENDING", "created"), event(2, "RUNNING", "on node a"), completed, log(0, "one\n")},
			"TIME  PENDING     created\nTIME  RUNNING     on node a\n        │ one\nTIME  COMPLETED\n",
		},
		{
			"of an attempt that was never seen to run",
			[]string{event(1, "PENDING", "created"), log(0, "one\n"), completed},
			"TIME  PENDING     created\n        │ one\nTIME  COMPLETED\n",
		},
		{
			"so much that it does not wait",
			[]string{log(0, strings.Repeat("x", 80<<10)+"\n"), event(2, "RUNNING", "on node a"), completed},
			"        │ " + strings.Repeat("x", 80<<10) + "\nTIME  RUNNING     on node a\nTIME  COMPLETED\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := &breaking{scripts: []func(http.ResponseWriter, *http.Request){stream(append(test.stream, end(id))...)}}
			out, _, _, err := follow(t, server, id, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := anyTime.ReplaceAllString(out, "TIME"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestOutputOfAnAttemptThatIsNotSaidToRunWaitsShortly(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	server := &breaking{scripts: []func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, r *http.Request) {
		stream(pending, hello, rest)(w, r)
		<-r.Context().Done()
	}}}
	listener := httptest.NewServer(server)
	defer listener.Close()
	out := &printed{lines: make(chan string, 10)}
	app := &cli.App{Out: out, Err: &bytes.Buffer{}, Now: time.Now, Transport: &http.Transport{DisableKeepAlives: true}}
	client, err := app.NewClient(cli.Connection{URL: listener.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	printer := watch.NewPrinter(app)
	go func() {
		_, err := watch.New(client, id, true).Follow(ctx, printer)
		done <- errors.Join(err, printer.Close())
	}()
	for line := range out.lines {
		if strings.Contains(line, "│ hello") {
			break
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// printed is a standard output of which a test waits for lines.
type printed struct{ lines chan string }

func (p *printed) Write(text []byte) (int, error) {
	p.lines <- string(text)
	return len(text), nil
}
