package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/prepare"
	"github.com/berth-dev/berth/worker/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shellTemplate runs a line of shell.
const shellTemplate = `{
  "variables": {"type": "object", "properties": {"script": {"type": "string"}, "grace": {"type": "integer", "default": 5}}},
  "job_configuration": {"job_manifest": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {
    "terminationGracePeriodSeconds": "{{ grace }}",
    "containers": [{"name": "job", "image": "busybox:1.36", "command": ["sh", "-c", "{{ script }}"]}]}}}}}}`

func script(text string) string { return `{"script": ` + quote(text) + `}` }

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// startedWorker is a worker that a test has started.
type startedWorker struct {
	stop func() error // asks it to stop and returns what Run returned
	dir  string
}

// testOptions are those of a worker with the real process runtime and a short temper.
func testOptions(t *testing.T, p *fakeServer, dir string) Options {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	runtime, err := process.New(process.Options{Dir: dir, Logger: log, StopGrace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		ServerURL: p.http.URL,
		Pool:      "local",
		Name:      "w1",
		Runtime:   runtime,
		Logger:    log,
		Registry:  prometheus.NewRegistry(),
		tuning: tuning{
			retryMin: 5 * time.Millisecond, retryMax: 50 * time.Millisecond,
			claimWait: 5 * time.Second, renewEvery: 50 * time.Millisecond, stopPatience: 3 * time.Second,
			resyncEvery: 50 * time.Millisecond, unknownGrace: 100 * time.Millisecond,
		},
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func start(t *testing.T, o Options, dir string) *startedWorker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	var result error
	stopped := false
	r := &startedWorker{dir: dir, stop: func() error {
		if !stopped {
			cancel()
			result, stopped = <-done, true
		}
		return result
	}}
	t.Cleanup(func() {
		if err := r.stop(); err != nil && !t.Failed() {
			t.Errorf("the worker ended with: %v", err)
		}
	})
	return r
}

func startWorker(t *testing.T, p *fakeServer, edit ...func(*Options)) *startedWorker {
	t.Helper()
	dir := t.TempDir()
	o := testOptions(t, p, dir)
	for _, f := range edit {
		f(&o)
	}
	return start(t, o, dir)
}

// attemptsLeft lists the directories of attempts that are not finalized.
func attemptsLeft(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "attempts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestARunGoesFromItsClaimToAFinalizedJob(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p)
	s := p.offer(script(`echo "hello $BERTH_RUN_NAME $BERTH_PARAMETERS"`))
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := string(s.output), "hello quiet-heron {\"name\":\"world\"}\n"; got != want {
		t.Errorf("output is %q, want %q", got, want)
	}
	if !*s.ended.Succeeded || *s.ended.ExitCode != 0 || s.ended.Category != nil || s.ended.At == nil {
		t.Errorf("ended as %+v, want succeeded with 0", s.ended)
	}
	// A process is pending with what of its manifest has no effect.
	if kinds := s.kinds(); words(kinds) != "submitted pending running ended" || s.reports[0].Manifest == nil ||
		s.reports[1].Manifest != nil {
		t.Errorf("reports came as %v, want submitted, with the manifest, pending, running and ended", kinds)
	}
	if left := attemptsLeft(t, w.dir); len(left) > 0 {
		t.Errorf("not finalized: %v", left)
	}
}

func words(kinds []api.ReportKind) string {
	var list []string
	for _, k := range kinds {
		list = append(list, string(k))
	}
	return strings.Join(list, " ")
}

func TestEachKindOfEndIsReportedWithItsCategory(t *testing.T) {
	tests := map[string]struct {
		variables string
		category  api.Category
		code      int32 // -1: none
		message   string
	}{
		"an exit code":                {script("echo bad >&2; exit 3"), api.CategoryApp, 3, ""},
		"a signal":                    {script("kill -9 $$"), api.CategoryApp, 137, "signal 9"},
		"a program that is not there": {script("exec /no/such/program"), api.CategoryApp, 127, ""},
		"a variable that the template does not take": {
			`{"script": {"a": 1}}`, api.CategoryTemplate, -1, `variable "script" must be a string`,
		},
		"a stored variable that is not there": {
			`{"script": "{{ berth.variables.missing }}"}`, api.CategoryTemplate, -1, "missing",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			startWorker(t, p)
			s := p.offer(test.variables)
			p.wait(t, "the end", func() bool { return s.ended != nil })
			if got := categoryOf(*s.ended); got != string(test.category) {
				t.Errorf("category is %s (%s), want %s", got, value(s.ended.Message), test.category)
			}
			code := int32(-1)
			if s.ended.ExitCode != nil {
				code = *s.ended.ExitCode
			}
			if code != test.code {
				t.Errorf("exit code is %d, want %d", code, test.code)
			}
			if !strings.Contains(value(s.ended.Message), test.message) {
				t.Errorf("message is %q, want %q in it", value(s.ended.Message), test.message)
			}
		})
	}
}

func TestOutputFasterThanTheServerIsCompleteInTheEnd(t *testing.T) {
	const size = 4 << 20
	p := newFakeServer(t, shellTemplate)
	p.slowLogs = 20 * time.Millisecond
	w := startWorker(t, p)
	s := p.offer(script("yes | head -c 4194304"))
	p.wait(t, "the end, and then all output", func() bool { return s.ended != nil && len(s.output) == size })
	waitForNone(t, w.dir)
}

func TestACancelEndsARunningProcessAndItsChildren(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p)
	s := p.offer(script("sleep 1000 & echo pid $!; wait"))
	p.wait(t, "output", func() bool { return strings.HasSuffix(string(s.output), "\n") })
	var child string
	p.change(
		func() { child = strings.TrimSpace(strings.TrimPrefix(string(s.output), "pid ")); s.cancel = true })
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if got := categoryOf(*s.ended); got != "cancelled" {
		t.Errorf("category is %s, want cancelled", got)
	}
	if stat, err := os.ReadFile("/proc/" + child + "/stat"); err == nil &&
		!strings.Contains(string(stat), ") Z ") {
		t.Errorf("child still runs: %s", stat)
	}
}

func TestAProcessThatIgnoresSIGTERMIsKilledAfterItsGrace(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p)
	s := p.offer(`{"grace": 1, "script": "trap '' TERM; echo ready; while :; do sleep 0.1; done"}`)
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	p.change(func() { s.cancel = true })
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if got, code := categoryOf(*s.ended), *s.ended.ExitCode; got != "cancelled" ||
		code != 128+int32(syscall.SIGKILL) {
		t.Errorf("ended as %s with %d, want cancelled with 137", got, code)
	}
}

func TestARunThatIsBeingCancelledWhenClaimedNeverStarts(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p)
	s := p.offer(script("echo never"), func(s *servedAttempt) { s.claim.Cancelling = true })
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if got := categoryOf(*s.ended); got != "cancelled" || s.manifest != nil || len(s.output) > 0 {
		t.Errorf("ended as %s after manifest %s, want cancelled before there was one", got, s.manifest)
	}
}

func TestAClaimWithoutAnswerIsRepeatedWithItsRequestID(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	p.loseNext = "/api/v1/worker/claim"
	s := p.offer(script("echo once"))
	startWorker(t, p)
	p.wait(t, "the end and its output", func() bool { return s.ended != nil && string(s.output) == "once\n" })
	p.change(func() {
		if len(p.asked) < 2 || p.asked[0].RequestID != p.asked[1].RequestID {
			t.Errorf("the claim was not asked again with its request id: %v", p.asked)
		}
	})
	if s.epoch != 1 {
		t.Errorf("claimed %d times, want once", s.epoch)
	}
}

func TestEveryCallMayLoseItsAnswerOnce(t *testing.T) {
	for _, path := range []string{"hello", "claim", "reports", "logs", "leases"} {
		t.Run(path, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			p.loseNext = "/api/v1/worker/" + path
			flag := filepath.Join(t.TempDir(), "go")
			s := p.offer(script("echo once; while [ ! -e " + flag + " ]; do sleep 0.02; done"))
			startWorker(t, p)
			p.wait(t, "output, after a lost answer",
				func() bool { return p.loseNext == "" && len(s.output) > 0 })
			if err := os.WriteFile(flag, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p.wait(t, "the end and its output",
				func() bool { return s.ended != nil && string(s.output) == "once\n" })
			if !*s.ended.Succeeded {
				t.Errorf("ended as %+v, want succeeded", s.ended)
			}
		})
	}
}

func TestAnAttemptThatAnotherWorkerHoldsIsDisowned(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p)
	flag := filepath.Join(t.TempDir(), "go")
	s := p.offer(script("echo started; while [ ! -e " + flag + " ]; do sleep 0.02; done; echo done"))
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	count := 0
	p.change(func() { s.epoch++; count = len(s.reports) })
	other := p.offer(script("echo other")) // when it is through, the leases have been renewed a few times
	p.wait(t, "the other", func() bool { return other.ended != nil })
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if s.ended != nil || len(s.reports) != count {
		t.Errorf("it reported %v after it had lost the attempt", s.kinds()[count:])
	}
	if left := attemptsLeft(t, w.dir); len(left) != 1 {
		t.Errorf("records left are %v, want that of the attempt which was taken over", left)
	}
}

func TestAnOutcomeIsReportedWhenTheServerComesBack(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p)
	dir := t.TempDir()
	over := filepath.Join(dir, "over")
	s := p.offer(
		script(
			"echo one; while [ ! -e " + dir + "/go ]; do sleep 0.02; done; echo two; echo x > " + over + "; exit 7"),
	)
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	p.change(func() { p.away = true })
	p.http.CloseClientConnections()
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitOutcome(t, w.dir)
	p.change(func() {
		if s.ended != nil {
			t.Error("it was recorded while the server was away")
		}
		p.away = false
	})
	p.wait(t, "the end and all output",
		func() bool { return s.ended != nil && string(s.output) == "one\ntwo\n" })
	if *s.ended.ExitCode != 7 {
		t.Errorf("exit code is %d, want 7", *s.ended.ExitCode)
	}
}

// awaitOutcome waits until a record in the directory holds an outcome.
func awaitOutcome(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		records, err := filepath.Glob(filepath.Join(dir, "attempts", "*", "record.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if data, err := os.ReadFile(record); err == nil && strings.Contains(string(data), `"outcome"`) {
				return
			}
		}
		select {
		case <-t.Context().Done():
			t.Fatal("no outcome")
		case <-tick.C:
		}
	}
}

func TestADuplicateJobIsDeleted(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p, func(o *Options) { o.Limit = 1 })
	s := p.offer(script("sleep 1000"), func(s *servedAttempt) { s.ledger = "another" })
	p.wait(t, "its report", func() bool { return strings.Contains(words(s.kinds()), "submitted") })
	next := p.offer(script("echo next")) // the slot is free again
	p.wait(t, "the next", func() bool { return next.ended != nil })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if s.ended != nil {
		t.Errorf("a duplicate was reported as ended: %+v", s.ended)
	}
	if left := attemptsLeft(t, w.dir); len(left) > 0 {
		t.Errorf("not deleted: %v", left)
	}
}

func TestATakeoverLaunchesTheStoredManifest(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	stored := `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"stored-1","annotations":{"berth.dev/job-container":"job"}},
		"spec":{"template":{"spec":{"containers":[{"name":"job","image":"busybox:1.36","command":["sh","-c","echo $GREETING"],
		"env":[{"name":"GREETING","value":"stored"}]}]}}}}`
	s := p.offer(script("echo $GREETING"),
		func(s *servedAttempt) { s.manifest, s.epoch = []byte(stored), 1 })
	startWorker(t, p)
	p.wait(t, "the end, with the output of the stored manifest",
		func() bool { return s.ended != nil && string(s.output) == "stored\n" })
	if s.reports[0].Kind != api.ReportKindSubmitted || value(s.reports[0].JobName) != "stored-1" {
		t.Errorf("first report is %+v, want submitted of stored-1", s.reports[0])
	}
}

func TestAnAttemptWhoseJobIsGoneEndsAsDeleted(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	s := p.offer(script("echo never"), func(s *servedAttempt) {
		s.manifest, s.epoch, s.uid = []byte(
			`{"metadata":{"name":"gone"},"spec":{"template":{"spec":{"containers":[]}}}}`), 1, "uid-1"
	})
	startWorker(t, p)
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if got := categoryOf(*s.ended); got != "deleted" {
		t.Errorf("category is %s, want deleted", got)
	}
}

func TestAStopEndsProcessesAndReportsThemAsEvicted(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p)
	s := p.offer(script("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done"))
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if s.ended == nil || categoryOf(*s.ended) != "evicted" {
		t.Fatalf("ended as %+v, want evicted, although it exited with 0", s.ended)
	}
	if got := string(s.output); !strings.HasPrefix(got, "ready\n") || !strings.HasSuffix(got, "bye\n") {
		t.Errorf("output is %q, want all of it", s.output)
	}
}

func TestAWorkerAtItsLimitStillReceivesCancels(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p, func(o *Options) { o.Limit = 2 })
	var all []*servedAttempt
	for range 3 {
		all = append(all, p.offer(script("echo up; sleep 1000")))
	}
	p.wait(t, "two running, and a poll for cancels", func() bool {
		return len(all[0].output) > 0 && len(all[1].output) > 0 && len(p.asked) > 0 &&
			p.asked[len(p.asked)-1].Max == 0
	})
	p.change(func() {
		if len(p.waiting) != 1 {
			t.Errorf("%d wait, want 1", len(p.waiting))
		}
		all[0].cancel = true
	})
	p.wait(t, "the third in the place of the first",
		func() bool { return all[0].ended != nil && len(all[2].output) > 0 })
}

func TestARefusedKeyEndsTheWorker(t *testing.T) {
	for _, when := range []string{"at the greeting", "later"} {
		t.Run(when, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			p.denied = when == "at the greeting"
			o := testOptions(t, p, t.TempDir())
			done := make(chan error, 1)
			go func() { done <- Run(t.Context(), o) }()
			if !p.denied {
				p.wait(t, "a claim", func() bool { return len(p.asked) > 0 })
				p.change(func() { p.denied = true })
				p.http.CloseClientConnections()
			}
			err := <-done
			if err == nil || !strings.Contains(err.Error(), "API key") {
				t.Errorf("it ended with %v, want a word on the API key", err)
			}
		})
	}
}

func TestTheJobOfARunThatEndedAtTheServerIsEnded(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	w := startWorker(t, p)
	s := p.offer(script("echo up; sleep 1000"))
	p.wait(t, "output", func() bool { return len(s.output) > 0 })
	p.change(func() { s.ended = &api.Report{} })
	next := p.offer(script("echo next"))
	p.wait(t, "the next", func() bool { return next.ended != nil })
	waitForNone(t, w.dir)
}

// waitForNone waits until all attempts in the directory are finalized.
func waitForNone(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for len(attemptsLeft(t, dir)) > 0 {
		select {
		case <-deadline:
			t.Fatalf("not finalized: %v", attemptsLeft(t, dir))
		case <-tick.C:
		}
	}
}

func TestAJobOfAnEarlierWorkerIsFinalizedOnceItsOutcomeIsRecorded(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	dir := t.TempDir()
	o := testOptions(t, p, dir)
	left := leaveRecord(t, o, p)
	p.grants[left.RunID] = api.AttemptStatusStatusActive
	start(t, o, dir)
	other := p.offer(script("echo other"))
	p.wait(t, "the other", func() bool { return other.ended != nil })
	if len(attemptsLeft(t, dir)) == 0 {
		t.Fatal("the Job of an active attempt was finalized")
	}
	p.change(func() { p.grants[left.RunID] = api.AttemptStatusStatusEnded })
	waitForNone(t, dir)
}

func TestAnUnknownJobIsFinalizedAfterAGracePeriod(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	dir := t.TempDir()
	o := testOptions(t, p, dir)
	leaveRecord(t, o, p)
	start(t, o, dir)
	waitForNone(t, dir)
}

// leaveRecord runs an attempt in a runtime that stops before the attempt is finalized.
func leaveRecord(t *testing.T, o Options, p *fakeServer) job.Ref {
	t.Helper()
	claim := api.Claim{
		RunID:   p.installation,
		Attempt: 1,
		Manifest: []byte(`{"metadata":{"name":"left","labels":{"berth.dev/installation":"` +
			p.installation.String() + `"}},"spec":{"template":{"spec":{"containers":[{"name":"job","command":["sleep","1000"]}]}}}}`),
	}
	restored, err := prepare.Restore(claim)
	if err != nil {
		t.Fatal(err)
	}
	restored.Attempt.HoldsLease = func() bool { return true }
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- o.Runtime.Run(ctx, p.installation, deafHandler{}, ready) }()
	<-ready
	if _, err := o.Runtime.Launch(ctx, restored.Attempt); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return restored.Attempt.Ref
}

// deafHandler hears nothing.
type deafHandler struct{}

func (deafHandler) Observed(job.Ref, job.Observation) {}
func (deafHandler) LastLines(job.Ref, string)         {}
func (deafHandler) Output(context.Context, job.Ref, job.Output) error {
	return errors.New("output is not wanted")
}
func (deafHandler) Discovered(job.Object)    {}
func (deafHandler) Gone(job.Object)          {}
func (deafHandler) AccessChanged(job.Access) {}
