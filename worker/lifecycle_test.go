package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// waitingRuntime is a runtime whose launches wait for what never comes, as for a quota.
type waitingRuntime struct {
	mu       sync.Mutex
	launched chan struct{} // gets one for every launch
	handler  job.Handler
	created  bool // whether a launch that was given up may have created something
	cancels  chan job.Ref
	decline  *job.Declined // of every launch
	blind    atomic.Int64  // nanoseconds
	strange  atomic.Int64  // how often the cluster cannot be identified
}

func (s *waitingRuntime) unidentified() error {
	if s.strange.Add(-1) >= 0 {
		return errors.New("no route to host")
	}
	return nil
}

func (s *waitingRuntime) Unobserved(job.Ref) time.Duration { return time.Duration(s.blind.Load()) }

func newWaitingRuntime() *waitingRuntime {
	return &waitingRuntime{launched: make(chan struct{}, 100), cancels: make(chan job.Ref, 100)}
}

func (s *waitingRuntime) Type() string                   { return "process" }
func (s *waitingRuntime) ClusterID() string              { return "nowhere" }
func (s *waitingRuntime) Identify(context.Context) error { return s.unidentified() }
func (s *waitingRuntime) ClusterObjects() map[string]string {
	return map[string]string{"namespace kube-system": "u1"}
}
func (s *waitingRuntime) Namespaces() []string     { return nil }
func (s *waitingRuntime) DefaultNamespace() string { return "jobs" }
func (s *waitingRuntime) Run(ctx context.Context, _ uuid.UUID, h job.Handler, ready chan<- struct{}) error {
	s.mu.Lock()
	s.handler = h
	s.mu.Unlock()
	close(ready)
	<-ctx.Done()
	return nil
}

func (s *waitingRuntime) Launch(ctx context.Context, a job.Attempt) (job.Launched, error) {
	s.launched <- struct{}{}
	if s.decline != nil {
		return job.Launched{}, s.decline
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if !a.HoldsLease() && !s.created {
			return job.Launched{}, fmt.Errorf("create: %w", job.ErrLeaseLost)
		}
		select {
		case <-ctx.Done():
			return job.Launched{}, fmt.Errorf("exceeded quota: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (s *waitingRuntime) Adopt(_ context.Context, a job.Attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now()
	s.handler.Observed(a.Ref, job.Observation{Phase: job.Ended, Category: api.CategoryDeleted, EndedAt: &at})
	return nil
}

func (s *waitingRuntime) Cancel(_ context.Context, ref job.Ref) error {
	s.cancels <- ref
	return nil
}
func (s *waitingRuntime) Finalize(context.Context, job.Object) error        { return nil }
func (s *waitingRuntime) FinalizeUnknown(context.Context, job.Object) error { return nil }
func (s *waitingRuntime) DeleteDuplicate(context.Context, job.Object) error { return nil }
func (s *waitingRuntime) Disown(job.Ref)                                    {}
func (s *waitingRuntime) Drain(context.Context, uuid.UUID, bool) ([]job.Drained, error) {
	return nil, nil
}

func (s *waitingRuntime) with(o *Options) {
	o.Runtime = s
	o.tuning.launchPatience = 20 * time.Millisecond
}

func TestAWaitingLaunch(t *testing.T) {
	tests := map[string]struct {
		created bool // the runtime cannot say that it created nothing
		late    bool
		cancel  bool
		want    func(s *servedAttempt) bool
	}{
		"is handed back when the worker stops": {want: func(s *servedAttempt) bool { return s.back }},
		"is left to its lease where a Job may exist": {
			created: true, want: func(s *servedAttempt) bool { return !s.back && s.ended == nil },
		},
		"is cancelled without a Job": {
			cancel: true, want: func(s *servedAttempt) bool { return categoryOf(*s.ended) == "cancelled" },
		},
		"is cancelled once it is known that there is no Job": {
			cancel: true, created: true,
			want: func(s *servedAttempt) bool { return categoryOf(*s.ended) == "cancelled" },
		},
		"ends with its reason when its start deadline has passed": {
			late:    true,
			created: true,
			want: func(s *servedAttempt) bool {
				return categoryOf(*s.ended) == "unknown" &&
					strings.Contains(value(s.ended.Message), "exceeded quota")
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			runtime := newWaitingRuntime()
			runtime.created = test.created
			w := startWorker(t, p, runtime.with)
			s := p.offer(script("true"), func(s *servedAttempt) {
				if test.late {
					by := time.Now().Add(50 * time.Millisecond)
					s.claim.StartDeadline = &by
				}
			})
			<-runtime.launched
			if test.cancel {
				p.change(func() { s.cancel = true })
			}
			if test.cancel || test.late {
				p.wait(t, "the end", func() bool { return s.ended != nil })
			}
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			if !test.want(s) {
				t.Errorf("reported %v, handed back %v, ended %+v", s.kinds(), s.back, s.ended)
			}
		})
	}
}

func TestATemplateThatCannotBeRenderedEndsTheAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		template string
		edit     func(*servedAttempt)
		message  string
	}{
		"one that the server does not have": {shellTemplate, func(s *servedAttempt) { s.claim.TemplateVersionID = uuid.New() }, "no such template version"},
		"one that does not compile":         {`{"job_configuration": {"job_manifest": "{{ if }}"}}`, func(*servedAttempt) {}, "/job_configuration/job_manifest"},
		"an input that is no object":        {shellTemplate, func(s *servedAttempt) { s.claim.RenderInput.Run = []byte(`[1]`) }, "run: want a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, test.template)
			startWorker(t, p)
			s := p.offer(script("true"), test.edit)
			p.wait(t, "the end", func() bool { return s.ended != nil })
			if got, message := categoryOf(*s.ended), value(s.ended.Message); got != "template" ||
				!strings.Contains(message, test.message) {
				t.Errorf("ended as %s (%s), want template with %q", got, message, test.message)
			}
			if s.manifest != nil {
				t.Error("a manifest was reported")
			}
		})
	}
}

func TestALaunchThatWaitsDoesNotHoldUpAnother(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := newWaitingRuntime()
	startWorker(t, p, runtime.with)
	for range 3 {
		p.offer(script("true"))
	}
	for range 3 {
		<-runtime.launched
	}
}

func TestAWorkerStopsInTimeWithTheServerAway(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p, func(o *Options) { o.tuning.stopPatience = 100 * time.Millisecond })
	s := p.offer(script("echo up; sleep 1000"))
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	p.change(func() { p.away = true })
	p.http.CloseClientConnections()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if left := attemptsLeft(t, w.dir); len(left) != 1 {
		t.Errorf("records left are %v, want the one whose outcome was not delivered", left)
	}

	p.change(func() { p.away = false; p.waiting = append(p.waiting, s) })
	o := testOptions(t, p, w.dir)
	start(t, o, w.dir)
	p.wait(t, "the outcome, from the next worker", func() bool { return s.ended != nil })
	if got := categoryOf(*s.ended); got != "evicted" {
		t.Errorf("category is %s, want evicted", got)
	}
	waitForNone(t, w.dir)
}

func TestHealthAndMetricsAreServed(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	p.away = true
	listening := make(chan string, 1)
	startWorker(t, p, func(o *Options) {
		o.MetricsListen = "127.0.0.1:0"
		o.Listening = func(address string) { listening <- address }
	})
	base := "http://" + <-listening
	if status, _ := get(t, base+"/healthz"); status != http.StatusOK {
		t.Errorf("alive is %d while the server is away, want 200", status)
	}
	if status, text := get(t, base+"/readyz"); status != http.StatusServiceUnavailable ||
		!strings.Contains(text, "not answered") {
		t.Errorf("ready is %d %q while the server is away, want 503 and why", status, text)
	}
	p.change(func() { p.away = false })
	s := p.offer(script("exit 3"))
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if status, text := get(t, base+"/readyz"); status != http.StatusOK {
		t.Errorf("ready is %d %q, want 200", status, text)
	}
	_, metrics := get(t, base+"/metrics")
	for _, want := range []string{
		`berth_worker_active_attempts{pool="local"}`, `berth_template_render_seconds_count{engine="gotemplate"} 1`,
		`berth_build_info{`, "go_goroutines ", "process_resident_memory_bytes ", `berth_worker_reports_total{kind="submitted",status="accepted"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	good := Options{ServerURL: "http://127.0.0.1:1", Pool: "p", Name: "n", Runtime: newWaitingRuntime()}
	tests := map[string]struct {
		edit func(*Options)
		want string
	}{
		"no server":      {func(o *Options) { o.ServerURL = "" }, "--api-url"},
		"no pool":        {func(o *Options) { o.Pool = "" }, "--pool"},
		"no name":        {func(o *Options) { o.Name = "" }, "--name"},
		"no runtime":     {func(o *Options) { o.Runtime = nil }, "runtime"},
		"a negative one": {func(o *Options) { o.Limit = -1 }, "--limit"},
		"a busy port":    {func(o *Options) { o.MetricsListen = "256.0.0.1:1" }, "--metrics-listen"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := good
			test.edit(&o)
			if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it ended with %v, want a word on %s", err, test.want)
			}
		})
	}
}

// lastingRuntime is a runtime whose Jobs run on whatever becomes of the worker.
type lastingRuntime struct{ *waitingRuntime }

func (l lastingRuntime) Launch(_ context.Context, a job.Attempt) (job.Launched, error) {
	l.launched <- struct{}{}
	return job.Launched{Namespace: "jobs", Name: "job", UID: "uid-" + a.Ref.String()}, nil
}

func TestAStoppingWorkerReleasesTheLeasesOfJobsThatRunOn(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := lastingRuntime{newWaitingRuntime()}
	w := startWorker(t, p, func(o *Options) { o.Runtime = runtime })
	s := p.offer(script("true"))
	p.wait(t, "the Job", func() bool { return s.uid != "" })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if want := []api.AttemptLease{{AttemptID: s.claim.AttemptID, Epoch: s.epoch}}; !slices.Equal(
		p.released, want,
	) {
		t.Errorf("released %v, want %v", p.released, want)
	}
	if s.ended != nil {
		t.Error("an end was reported of a Job that runs on")
	}
}
