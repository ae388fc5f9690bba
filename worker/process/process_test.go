package process

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// workerDir makes the test binary a worker on that directory, for tests that kill one.
const workerDir = "TEST_WORKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerDir); dir != "" {
		os.Exit(beWorker(dir))
	}
	goleak.VerifyTestMain(m)
}

var installation = uuid.MustParse("0190a000-0000-7000-8000-000000000001")

// beWorker launches an attempt that leaves its process group, says the numbers of its processes, and waits to
// be killed.
func beWorker(dir string) int {
	r, err := New(Options{Dir: dir})
	if err != nil {
		return 3
	}
	ready := make(chan struct{})
	go func() { _ = r.Run(context.Background(), installation, newRecorder(), ready) }()
	<-ready
	if _, err := r.Launch(context.Background(), attempt(uuid.MustParse(os.Getenv("TEST_RUN")), 1,
		"sleep 1000 & setsid sleep 1000 & echo started; wait")); err != nil {
		return 4
	}
	os.Stdout.WriteString("launched\n")
	select {}
}

// recorder hears what a runtime tells.
type recorder struct {
	mu      sync.Mutex
	changed *sync.Cond
	seen    map[job.Ref][]job.Observation
	output  map[job.Ref]string
	found   []job.Object
}

func newRecorder() *recorder {
	e := &recorder{seen: map[job.Ref][]job.Observation{}, output: map[job.Ref]string{}}
	e.changed = sync.NewCond(&e.mu)
	return e
}

func (e *recorder) Observed(ref job.Ref, seen job.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[ref] = append(e.seen[ref], seen)
	e.changed.Broadcast()
}

// Output takes repeated bytes once, as a worker does: a second launch or adopt hands the output over from the
// beginning.
func (e *recorder) Output(_ context.Context, ref job.Ref, output job.Output) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, known := output.Text, int64(len(e.output[ref]))-output.Offset
	if known < 0 {
		e.output[ref] += "(gap)"
		known = 0
	}
	e.output[ref] += string(text[min(known, int64(len(text))):])
	e.changed.Broadcast()
	return nil
}

func (e *recorder) AccessChanged(job.Access) {}

func (e *recorder) LastLines(job.Ref, string) {}

func (e *recorder) Gone(job.Object) {}

func (e *recorder) Discovered(found job.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found = append(e.found, found)
	e.changed.Broadcast()
}

// wait blocks until the condition holds.
func (e *recorder) wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { e.mu.Lock(); e.changed.Broadcast(); e.mu.Unlock() })()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !condition() {
		if ctx.Err() != nil {
			t.Fatalf("never came to be: %s (seen %+v, output %q)", what, e.seen, e.output)
		}
		e.changed.Wait()
	}
}

func (e *recorder) last(ref job.Ref) job.Observation {
	if all := e.seen[ref]; len(all) > 0 {
		return all[len(all)-1]
	}
	return job.Observation{}
}

// waitEnd waits for the end of the attempt and returns it.
func (e *recorder) waitEnd(t *testing.T, ref job.Ref) job.Observation {
	t.Helper()
	e.wait(t, "the end", func() bool { return e.last(ref).Phase == job.Ended })
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last(ref)
}

func attempt(run uuid.UUID, number int, script string, edit ...func(*batchv1.Job)) job.Attempt {
	made := &batchv1.Job{}
	made.Name = "job"
	made.Labels = map[string]string{manifest.LabelInstallation: installation.String()}
	grace := int64(5)
	made.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
	made.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "job", Command: []string{"sh", "-c", script}},
	}
	for _, f := range edit {
		f(made)
	}
	return job.Attempt{
		Ref: job.Ref{RunID: run, Attempt: number}, Manifest: made, Container: "job",
		StreamOutput: true, HoldsLease: func() bool { return true },
	}
}

// started is a runtime that a test has started.
type started struct {
	*Runtime
	recorder *recorder
	stop     func()
}

func start(t *testing.T, dir string) *started {
	t.Helper()
	r, err := New(Options{Dir: dir, StopGrace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	e := newRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- r.Run(ctx, installation, e, ready) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the runtime ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	return &started{Runtime: r, recorder: e, stop: stop}
}

func (s *started) launch(t *testing.T, a job.Attempt) job.Launched {
	t.Helper()
	made, err := s.Launch(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAProcessGetsArgumentsEnvironmentAndDirectory(t *testing.T) {
	t.Setenv("BERTH_API_KEY", "berth_secret")
	s := start(t, t.TempDir())
	tests := map[string]struct {
		edit func(*corev1.Container)
		want string
	}{
		"args after command": {
			func(c *corev1.Container) { c.Command, c.Args = []string{"echo"}, []string{"a", "b c"} },
			"a b c\n",
		},
		"variables in args": {func(c *corev1.Container) {
			c.Env = env("WHO", "world")
			c.Command = []string{"echo", "$(WHO)", "$(NOBODY)", "$$(WHO)"}
		}, "world $(NOBODY) $(WHO)\n"},
		"variables in variables": {func(c *corev1.Container) {
			c.Env = env("A", "1", "B", "$(A)2")
			c.Command = []string{"sh", "-c", "echo $B"}
		}, "12\n"},
		"its working directory": {
			func(c *corev1.Container) { c.WorkingDir = "/usr"; c.Command = []string{"pwd"} }, "/usr\n",
		},
		"both streams in order": {
			func(c *corev1.Container) { c.Command = []string{"sh", "-c", "echo a; echo b >&2; echo c"} },
			"a\nb\nc\n",
		},
		"none of the worker's own environment": {
			func(c *corev1.Container) { c.Command = []string{"sh", "-c", "echo [$BERTH_API_KEY]"} }, "[]\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := attempt(uuid.New(), 1, "",
				func(j *batchv1.Job) { test.edit(&j.Spec.Template.Spec.Containers[0]) })
			s.launch(t, a)
			end := s.recorder.waitEnd(t, a.Ref)
			if !end.Succeeded || s.recorder.output[a.Ref] != test.want || end.LastLines != test.want {
				t.Errorf("ended as %+v with output %q, want %q", end, s.recorder.output[a.Ref], test.want)
			}
		})
	}
}

func env(pairs ...string) []corev1.EnvVar {
	var list []corev1.EnvVar
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, corev1.EnvVar{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

func TestAManifestThatAProcessCannotHonourIsRefusedWithAHint(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	const severalPods = "several pods"
	tests := map[string]struct {
		edit     func(*corev1.Container)
		category api.Category
		message  string
	}{
		"no command": {func(c *corev1.Container) { c.Command = nil }, api.CategoryInvalid, "set `command`"},
		"a value from a Secret": {
			func(c *corev1.Container) { c.Env = []corev1.EnvVar{{Name: "KEY", ValueFrom: &corev1.EnvVarSource{}}} },
			api.CategoryInvalid, "variable KEY",
		},
		"environment from a Secret": {
			func(c *corev1.Container) { c.EnvFrom = []corev1.EnvFromSource{{}} }, api.CategoryInvalid,
			"envFrom",
		},
		"a program that is not here": {
			func(c *corev1.Container) { c.Command = []string{"no-such-program"} }, api.CategoryConfig,
			"no-such-program",
		},
		severalPods: {func(*corev1.Container) {}, api.CategoryInvalid, "the Job has several pods (indexed)"},
		"a directory that is not": {
			func(c *corev1.Container) { c.WorkingDir = "/no/such/dir" }, api.CategoryConfig, "workingDir",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := attempt(uuid.New(), 1, "echo x",
				func(j *batchv1.Job) { test.edit(&j.Spec.Template.Spec.Containers[0]) })
			if name == severalPods {
				indexed := batchv1.IndexedCompletion
				a.Manifest.Spec.CompletionMode, a.Manifest.Spec.Completions = &indexed, new(int32(3))
			}
			_, err := s.Launch(t.Context(), a)
			var refused *job.Refused
			if !errors.As(err, &refused) || refused.Category != test.category ||
				!strings.Contains(refused.Message, test.message) {
				t.Errorf("launch returned %v, want it refused as %s with %q", err, test.category,
					test.message)
			}
		})
	}
	if left := records(t, dir); len(left) > 0 {
		t.Errorf("records left: %v", left)
	}
}

func records(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "attempts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestLaunchingTwiceStartsOneProcess(t *testing.T) {
	s := start(t, t.TempDir())
	a := attempt(uuid.New(), 1, "echo once; sleep 1000")
	var made [8]job.Launched
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() { made[i] = s.launch(t, a) })
	}
	all.Wait()
	fresh := 0
	for _, m := range made {
		if m.UID != made[0].UID {
			t.Errorf("two UIDs: %s and %s", m.UID, made[0].UID)
		}
		if !m.Adopted {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d launches say that they created it, want 1", fresh)
	}
	s.recorder.wait(t, "output", func() bool { return s.recorder.output[a.Ref] != "" })
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	if got := s.recorder.output[a.Ref]; got != "once\n" {
		t.Errorf("output is %q, want once", got)
	}
}

func TestNothingIsLaunchedWithoutTheLease(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	a := attempt(uuid.New(), 1, "echo x")
	a.HoldsLease = func() bool { return false }
	if _, err := s.Launch(t.Context(), a); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("launch returned %v, want ErrNotHeld", err)
	}
	if left := records(t, dir); len(left) > 0 {
		t.Errorf("records left: %v", left)
	}
}

func TestADeadlineEndsAProcess(t *testing.T) {
	s := start(t, t.TempDir())
	a := attempt(uuid.New(), 1, "sleep 1000",
		func(j *batchv1.Job) { one := int64(1); j.Spec.ActiveDeadlineSeconds = &one })
	s.launch(t, a)
	if end := s.recorder.waitEnd(t, a.Ref); end.Category != api.CategoryDeadline {
		t.Errorf("ended as %s (%s), want deadline", end.Category, end.Message)
	}
}

func TestAFinalizedAttemptLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	a := attempt(uuid.New(), 1, "echo x > file")
	made := s.launch(t, a)
	s.recorder.waitEnd(t, a.Ref)
	for _, uid := range []string{"another", made.UID, made.UID} {
		if err := s.Finalize(t.Context(), job.Object{Ref: a.Ref, UID: uid}); err != nil {
			t.Fatal(err)
		}
		if left := len(records(t, dir)) > 0; left != (uid == "another") {
			t.Errorf("after the release of %s: records left is %v", uid, left)
		}
	}
}

func TestADuplicateIsKilledWithoutObservation(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	a := attempt(uuid.New(), 1, "trap '' TERM; echo up; while :; do sleep 0.1; done")
	made := s.launch(t, a)
	s.recorder.wait(t, "output", func() bool { return s.recorder.output[a.Ref] != "" })
	if err := s.DeleteDuplicate(t.Context(), job.Object{Ref: a.Ref, UID: made.UID}); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if last := s.recorder.last(a.Ref); last.Phase == job.Ended {
		t.Errorf("its end was observed: %+v", last)
	}
	if left := records(t, dir); len(left) > 0 {
		t.Errorf("records left: %v", left)
	}
}

func TestTwoWorkersCannotUseOneDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	second, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context(), installation, newRecorder(), make(chan struct{})); err == nil ||
		!strings.Contains(err.Error(), "in use by another worker") {
		t.Errorf("the second one ended with %v, want an error about the first", err)
	}
}

func TestWhatRanWhenItsWorkerWasKilledIsEndedAndRecorded(t *testing.T) {
	dir, run := t.TempDir(), uuid.New()
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), workerDir+"="+dir, "TEST_RUN="+run.String())
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "launched\n" {
		t.Fatalf("the worker said %q: %v", line, err)
	}
	ref := job.Ref{RunID: run, Attempt: 1}
	awaitOutput(t, recordStore{dir}.outputPath(ref))
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// It was killed: Wait says so.
	_ = worker.Wait()
	rec, err := recordStore{dir}.load(ref)
	if err != nil || rec == nil {
		t.Fatalf("no record: %v", err)
	}
	if len(marked(t, rec.UID)) < 3 {
		t.Fatalf("only %v run after their worker was killed: nothing to end", marked(t, rec.UID))
	}

	s := start(t, dir)
	if left := marked(t, rec.UID); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	s.recorder.wait(t, "that it was found",
		func() bool { return len(s.recorder.found) == 1 && s.recorder.found[0].Ref == ref })
	made := s.launch(t, attempt(run, 1, "echo a second time"))
	if !made.Adopted || made.UID != rec.UID {
		t.Errorf("launched as %+v, want that of the killed worker adopted", made)
	}
	end := s.recorder.waitEnd(t, ref)
	if end.Category != api.CategoryUnknown || !strings.Contains(end.Message, "its worker died") ||
		end.UID != rec.UID {
		t.Errorf("ended as %+v, want unknown, with why", end)
	}
	s.recorder.wait(t, "its output", func() bool { return s.recorder.output[ref] == "started\n" })
}

// awaitOutput waits until the file holds something.
func awaitOutput(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatal("no output")
		case <-tick.C:
		}
	}
}

// marked lists the live processes of an attempt.
func marked(t *testing.T, uid string) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		environ, err := os.ReadFile(dir + "/environ")
		if err == nil && hasVariable(environ, markerName+"="+uid) {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestAProcessThatReusedAPIDIsNotKilled(t *testing.T) {
	bystander := exec.Command("sleep", "1000")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bystander.Process.Kill(); err != nil {
			t.Errorf("the bystander was killed: %v", err)
		}
		// It was killed: Wait says so.
		_ = bystander.Wait()
	}()
	rec := record{
		Run: uuid.New(), Attempt: 1, UID: uuid.NewString(), PID: bystander.Process.Pid,
		Identity: "another boot/1",
	}
	if err := killLeftover(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if identityOf(bystander.Process.Pid) == "" {
		t.Error("the bystander is gone")
	}
}

func TestALeftoverWithoutIdentityIsNotWaitedFor(t *testing.T) {
	over := exec.Command("true")
	if err := over.Run(); err != nil {
		t.Fatal(err)
	}
	if err := killLeftover(t.Context(), record{Run: uuid.New(), Attempt: 1, UID: uuid.NewString(), PID: over.Process.Pid}); err != nil {
		t.Error(err)
	}
}

func TestASavedOutcomeIsObservedByTheNextWorker(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	a := attempt(uuid.New(), 1, "echo last words; exit 4")
	first.launch(t, a)
	first.recorder.waitEnd(t, a.Ref)
	first.stop()
	second := start(t, dir)
	if err := second.Adopt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	end := second.recorder.waitEnd(t, a.Ref)
	if end.Category != api.CategoryApp || *end.ExitCode != 4 || end.LastLines != "last words\n" {
		t.Errorf("observed as %+v, want exit code 4", end)
	}
	second.recorder.wait(t, "its output",
		func() bool { return second.recorder.output[a.Ref] == "last words\n" })
}

func TestFollowingStartsAtTheOffset(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	a := attempt(uuid.New(), 1, "echo one; echo two")
	first.launch(t, a)
	first.recorder.waitEnd(t, a.Ref)
	first.stop()
	second := start(t, dir)
	second.recorder.output[a.Ref] = "one\n"
	a.OutputOffset = 4
	if err := second.Adopt(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	second.recorder.wait(t, "the rest", func() bool { return second.recorder.output[a.Ref] == "one\ntwo\n" })
}

func TestADescendantThatLeftItsGroupIsEndedWithTheProcess(t *testing.T) {
	s := start(t, t.TempDir())
	a := attempt(uuid.New(), 1, "setsid sleep 1000 & sleep 0.2; echo over")
	made := s.launch(t, a)
	if end := s.recorder.waitEnd(t, a.Ref); !end.Succeeded || end.LastLines != "over\n" {
		t.Errorf("ended as %+v, want succeeded", end)
	}
	if left := marked(t, made.UID); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

func TestFieldsWithoutEffectAreDiagnosed(t *testing.T) {
	s := start(t, t.TempDir())
	a := attempt(uuid.New(), 1, "true", func(j *batchv1.Job) {
		c := &j.Spec.Template.Spec.Containers[0]
		c.Image = "busybox"
		c.VolumeMounts = []corev1.VolumeMount{{Name: "v"}}
	})
	s.launch(t, a)
	s.recorder.waitEnd(t, a.Ref)
	var phases []string
	for _, o := range s.recorder.seen[a.Ref] {
		phases = append(phases, string(o.Phase)+o.Diagnosis)
	}
	want := []string{
		"pendingruns as a process of this host; without effect: image, volumes", "running", "ended",
	}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
