package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// patience is how long a test waits for the cluster to do what it should.
const patience = 90 * time.Second

// site is a namespace of a real cluster with a runtime that serves it.
type site struct {
	t            *testing.T
	config       cluster.Config
	client       kubernetes.Interface
	namespace    string
	installation uuid.UUID
	options      kube.Options
	registry     *prometheus.Registry
	runtime      *kube.Runtime
	recorder     *recorder
	stop         func() // of the first runtime
}

// newSite creates a namespace and starts a runtime.
func newSite(t *testing.T, options kube.Options) *site {
	t.Helper()
	config := kubetest.Cluster(t)
	t.Parallel()
	s := &site{
		t:            t,
		config:       config,
		client:       kubetest.Client(t, config),
		namespace:    kubetest.Namespace(t, config),
		installation: uuid.New(),
	}
	s.config.Namespace = s.namespace
	options.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.options = options
	s.stop = s.start()
	return s
}

// start starts another runtime, without the memory of earlier ones. The function it returns stops it and
// waits.
func (s *site) start() (stop func()) {
	s.t.Helper()
	options := s.options
	s.registry = prometheus.NewRegistry()
	options.Registerer = s.registry
	runtime, err := kube.New(s.config, options)
	if err != nil {
		s.t.Fatal(err)
	}
	rec := &recorder{
		changed: make(chan struct{}), output: map[job.Ref]*strings.Builder{},
		last: map[job.Ref]job.Observation{}, ends: map[job.Ref]job.Observation{}, positions: map[job.Ref]string{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- runtime.Run(ctx, s.installation, rec, ready) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run ended with %v", err)
		}
	})
	s.t.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(patience):
		s.t.Fatal("the runtime never finished its first resync")
	}
	s.runtime, s.recorder = runtime, rec
	return stop
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

// attempt builds the manifest of a Job that runs the script, as the worker does.
func (s *site) attempt(script string, change ...func(spec map[string]any)) job.Attempt {
	return s.attemptOf(job.Ref{RunID: uuid.Must(uuid.NewV7()), Attempt: 1}, script, change...)
}

func (s *site) attemptOf(ref job.Ref, script string, change ...func(spec map[string]any)) job.Attempt {
	s.t.Helper()
	spec := map[string]any{
		"ttlSecondsAfterFinished": int64(600),
		"template": map[string]any{"spec": map[string]any{
			"terminationGracePeriodSeconds": int64(2),
			"containers": []any{map[string]any{
				"name": "main", "image": kubetest.Image, "imagePullPolicy": "IfNotPresent", "command": []any{"sh", "-c", script},
			}},
		}},
	}
	for _, c := range change {
		c(spec)
	}
	rendered := &templating.Rendered{
		Configuration: map[string]any{
			"job_manifest": map[string]any{"apiVersion": "batch/v1", "kind": "Job", "spec": spec},
		},
	}
	finished, err := manifest.Build(rendered, manifest.Identity{
		Installation: s.installation, RunID: ref.RunID, RunName: s.t.Name(), Attempt: ref.Attempt,
		Pool: "default", Queue: "default", Deployment: "test", LeaseEpoch: 1, TemplateVersion: 1, Namespace: s.namespace,
	})
	if err != nil {
		s.t.Fatalf("build the manifest: %v", err)
	}
	return job.Attempt{
		Ref: ref, Manifest: finished.Job, Container: finished.JobContainer, StreamOutput: true,
		HoldsLease: func() bool { return true },
	}
}

func podSpec(spec map[string]any) map[string]any {
	return spec["template"].(map[string]any)["spec"].(map[string]any)
}

// mainContainer is the job container of a spec.
func mainContainer(spec map[string]any) map[string]any {
	return podSpec(spec)["containers"].([]any)[0].(map[string]any)
}

// create creates the Job of the attempt without the runtime.
func (s *site) create(j *batchv1.Job) *batchv1.Job {
	s.t.Helper()
	created, err := s.client.BatchV1().Jobs(s.namespace).Create(s.ctx(), j, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return created
}

func (s *site) launch(a job.Attempt) job.Launched {
	s.t.Helper()
	launched, err := s.runtime.Launch(s.ctx(), a)
	if err != nil {
		s.t.Fatalf("launch: %v", err)
	}
	return launched
}

// until waits for the wanted observation.
func (s *site) until(ref job.Ref, what string, wanted func(job.Observation) bool) job.Observation {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		last, changed := s.recorder.observation(ref)
		if wanted(last) {
			return last
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("waited for %s; last observation: %s", what, show(last))
		}
	}
}

func (s *site) ended(ref job.Ref) job.Observation {
	s.t.Helper()
	return s.until(ref, "the end", func(o job.Observation) bool { return o.Phase == job.Ended })
}

func (s *site) running(ref job.Ref) job.Observation {
	s.t.Helper()
	return s.until(ref, "running", func(o job.Observation) bool { return o.Phase == job.Running })
}

func (s *site) untilOutput(ref job.Ref, what string, wanted func(string) bool) string {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		text, changed := s.recorder.text(ref)
		if wanted(text) {
			return text
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("waited for %s; output so far (%d bytes) ends with %q", what, len(text),
				text[max(0, len(text)-300):])
		}
	}
}

func (s *site) finalize(ref job.Ref, uid string) {
	s.t.Helper()
	if err := s.runtime.Finalize(s.ctx(), job.Object{Ref: ref, UID: uid}); err != nil {
		s.t.Fatalf("finalize: %v", err)
	}
}

// job reads a Job from the API server; nil if there is none.
func (s *site) job(name string) *batchv1.Job {
	s.t.Helper()
	j, err := s.client.BatchV1().Jobs(s.namespace).Get(s.ctx(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s *site) pods() []corev1.Pod {
	s.t.Helper()
	list, err := s.client.CoreV1().Pods(s.namespace).List(s.ctx(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// eventually polls the cluster.
func (s *site) eventually(what string, holds func() bool) {
	s.t.Helper()
	const interval = 50 * time.Millisecond
	condition := func(context.Context) (bool, error) { return holds(), nil }
	err := wait.PollUntilContextTimeout(s.t.Context(), interval, patience, true, condition)
	if err != nil {
		s.t.Fatalf("waited for: %s", what)
	}
}

// restCopy is the configuration with a transport between client and API server.
func restCopy(config *rest.Config, wrap func(http.RoundTripper) http.RoundTripper) *rest.Config {
	changed := rest.CopyConfig(config)
	changed.Wrap(wrap)
	return changed
}

func show(o job.Observation) string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// recorder is a Handler that records what it receives.
type recorder struct {
	mu         sync.Mutex
	changed    chan struct{}
	last       map[job.Ref]job.Observation // an end, once it has its last lines
	all        []job.Observation
	ends       map[job.Ref]job.Observation // without their last lines
	access     job.Access
	positions  map[job.Ref]string // of the newest output
	output     map[job.Ref]*strings.Builder
	discovered []job.Object
	gone       []job.Object
	faults     []string                        // in the offsets of output
	before     func(ctx context.Context) error // called before output is accepted
}

// wake wakes everyone who waits for a change.
func (r *recorder) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Observed(ref job.Ref, observed job.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, observed)
	if observed.LinesFollow {
		r.ends[ref] = observed
	} else {
		r.last[ref] = observed
	}
	r.wake()
}

func (r *recorder) LastLines(ref job.Ref, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.ends[ref]
	end.LastLines = text
	r.last[ref] = end
	r.wake()
}

// Output takes repeated bytes once, as a worker does.
func (r *recorder) Output(ctx context.Context, ref job.Ref, output job.Output) error {
	if r.before != nil {
		if err := r.before(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	builder := r.output[ref]
	if builder == nil {
		builder = &strings.Builder{}
		r.output[ref] = builder
	}
	known := int64(builder.Len()) - output.Offset
	if known < 0 {
		r.faults = append(r.faults, fmt.Sprintf("output at offset %d after %d bytes", output.Offset, builder.Len()))
		known = 0
	}
	builder.Write(output.Text[min(known, int64(len(output.Text))):])
	r.positions[ref] = output.Position
	r.wake()
	return nil
}

// position is what came with the newest output.
func (r *recorder) position(ref job.Ref) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.positions[ref]
}

// known makes a text known, from an earlier worker.
func (r *recorder) known(ref job.Ref, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	builder := &strings.Builder{}
	builder.WriteString(text)
	r.output[ref] = builder
}

func (r *recorder) AccessChanged(access job.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.access = access
	r.wake()
}

func (r *recorder) Gone(object job.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, object)
	r.wake()
}

func (r *recorder) Discovered(object job.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discovered = append(r.discovered, object)
	r.wake()
}

func (r *recorder) observation(ref job.Ref) (job.Observation, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[ref], r.changed
}

func (r *recorder) text(ref job.Ref) (string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.output[ref] == nil {
		return "", r.changed
	}
	return r.output[ref].String(), r.changed
}

func (r *recorder) allDiscovered() ([]job.Object, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.discovered), r.changed
}

// TestMain checks that no test leaks a goroutine. Idle connections are exempt: client-go keeps them open for
// the life of the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*ClientConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}
