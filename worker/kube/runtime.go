package kube

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/finalizer"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podlog"
)

// Runtime runs attempts as Jobs in one cluster.
type Runtime struct {
	config  cluster.Config
	options Options
	api     kubernetes.Interface
	jobs    *jobclient.Client
	guard   guard
	trimmer observe.Trimmer
	// identity is set before anything runs.
	identity cluster.Identity
	served   *prometheus.GaugeVec // by namespace

	mu         sync.Mutex
	attempts   map[job.Ref]*attempt
	launches   map[job.Ref]launching
	discovered map[types.UID]discovery
	queued     map[string]bool             // namespaces whose Jobs a queue manages without being named
	jobWaiters map[types.UID]chan struct{} // closed when the watch shows a change of the Job
	watcher    *watcher                    // nil unless Run runs
}

var (
	_ job.Runtime   = (*Runtime)(nil)
	_ job.DryRunner = (*Runtime)(nil)
)

// launching is a Launch in progress.
type launching struct {
	namespace string
	cancel    func()
}

// attempt is an attempt that this runtime observes: launched or adopted here, and not yet finalized or
// disowned.
type attempt struct {
	ref       job.Ref
	container string
	namespace string
	name      string
	stream    bool
	offset    int64
	position  string // of the output that the server has
	indexes   int32  // of an Indexed Job, as its manifest has them
	adoptedAt time.Time

	// The fields below are guarded by Runtime.mu.

	uid         types.UID
	planned     *observe.Outcome // decided here: the Job is to be deleted for it
	pastPods    []*corev1.Pod
	stoppedPods []types.UID // pods that were seen being deleted while they ran
	follower    *podlog.Follower
	stopFollow  func()
	created     *batchv1.Job // the answer to create, until the watch shows the Job; never changed

	// The fields below belong to the reconcile of this attempt; only one runs at a time.

	lastObserved   *job.Observation
	ended          bool
	plannedWritten bool // the planned outcome is in the Job's annotation
	waits          waits
	lingeringSince time.Time // since when the job container has ended while its pod runs on
}

func (a *attempt) jobName() string { return a.namespace + "/" + a.name }

// New returns a Runtime for the cluster. It makes no request before Run or Launch.
func New(config cluster.Config, options Options) (*Runtime, error) {
	options = options.withDefaults(config)
	clients, err := config.NewClients(options.Log, options.Registerer)
	if err != nil {
		return nil, err
	}
	r, err := newRuntime(config, options, clients.API)
	if err != nil {
		return nil, err
	}
	r.jobs.Metadata = clients.Metadata
	return r, nil
}

func newRuntime(config cluster.Config, options Options, api kubernetes.Interface) (*Runtime, error) {
	options = options.withDefaults(config)
	if slices.Contains(options.Namespaces, AllNamespaces) && len(options.Namespaces) > 1 {
		return nil, fmt.Errorf("namespace %q means all namespaces: remove the others", AllNamespaces)
	}
	slices.Sort(options.Namespaces)
	options.Namespaces = slices.Compact(options.Namespaces)
	finalizers, err := finalizer.New(options.Finalizer, options.LegacyFinalizers...)
	if err != nil {
		return nil, err
	}
	metrics, err := jobclient.NewMetrics(options.Registerer)
	if err != nil {
		return nil, err
	}

	r := &Runtime{
		config: config, options: options, api: api,
		attempts:   map[job.Ref]*attempt{},
		launches:   map[job.Ref]launching{},
		discovered: map[types.UID]discovery{}, queued: map[string]bool{},
		jobWaiters: map[types.UID]chan struct{}{},
	}
	r.jobs = &jobclient.Client{
		API: api, Finalizers: finalizers, TTL: options.Timing.TTL, Log: options.Log, Metrics: metrics,
		Finalized: r.markFinalized,
	}
	if err := r.registerGauges(); err != nil {
		return nil, err
	}
	return r, nil
}

// Type is the type of work pool served.
func (r *Runtime) Type() string { return "kubernetes" }

// Identify asks the cluster which one it is.
func (r *Runtime) Identify(ctx context.Context) error {
	identity, err := r.config.Identify(ctx)
	if err == nil {
		r.identity = identity
	}
	return err
}

// ClusterID identifies the cluster, after Identify.
func (r *Runtime) ClusterID() string { return r.identity.ID }

// ClusterObjects are UIDs of objects of the cluster, after Identify.
func (r *Runtime) ClusterObjects() map[string]string { return r.identity.Objects }

// DefaultNamespace is used for manifests that name none.
func (r *Runtime) DefaultNamespace() string { return r.config.Namespace }

// Namespaces lists where Jobs may be created; empty means all namespaces.
func (r *Runtime) Namespaces() []string {
	if r.servesAll() {
		return nil
	}
	return slices.Clone(r.options.Namespaces)
}

func (r *Runtime) servesAll() bool { return r.options.Namespaces[0] == AllNamespaces }

// scopes are the namespaces as the API takes them: one empty name for all.
func (r *Runtime) scopes() []string {
	if r.servesAll() {
		return []string{metav1.NamespaceAll}
	}
	return r.options.Namespaces
}

// scopeOf is the scope that a namespace belongs to.
func (r *Runtime) scopeOf(namespace string) string {
	if r.servesAll() {
		return metav1.NamespaceAll
	}
	return namespace
}

func (r *Runtime) serves(namespace string) bool {
	return r.servesAll() || slices.Contains(r.options.Namespaces, namespace)
}

// observe starts to observe an attempt. An attempt that is observed already starts anew, because it is held
// under another lease now: its outcome is reported again and its output handed over from the offset.
func (r *Runtime) observe(a job.Attempt, namespace, name string, created *batchv1.Job) {
	started := &attempt{
		ref: a.Ref, container: a.Container, namespace: namespace, name: name,
		stream: a.StreamOutput, offset: a.OutputOffset, position: a.OutputPosition, adoptedAt: time.Now(), created: created, waits: waits{},
		indexes: indexesOf(a.Manifest),
	}
	if created != nil {
		r.trimmer.Trim(created)
		started.uid = created.UID
	}

	r.mu.Lock()
	if earlier := r.attempts[a.Ref]; earlier != nil {
		started.planned = earlier.planned
		started.pastPods, started.stoppedPods = earlier.pastPods, earlier.stoppedPods
		if earlier.follower != nil {
			earlier.stopFollow()
		}
		if started.uid == "" {
			started.uid = earlier.uid
		}
	}
	r.attempts[a.Ref] = started
	r.mu.Unlock()
	r.enqueue(a.Ref)
}

func indexesOf(j *batchv1.Job) int32 {
	if j == nil || j.Spec.Completions == nil || manifest.ShapeOf(&j.Spec) != manifest.Indexed {
		return 0
	}
	return *j.Spec.Completions
}

// Disown stops observing an attempt that another worker holds. Nothing in the cluster changes.
func (r *Runtime) Disown(ref job.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.attempts[ref]
	delete(r.attempts, ref)
	if a != nil && a.follower != nil {
		a.stopFollow()
	}
}

// attempt returns the attempt if it is observed here, or nil.
func (r *Runtime) attempt(ref job.Ref) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[ref]
}

// uidOf is the UID of the attempt's Job, or empty if it is not known yet.
func (r *Runtime) uidOf(a *attempt) types.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return a.uid
}

// running returns the watcher while Run runs, or nil.
func (r *Runtime) running() *watcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.watcher
}

// enqueue schedules a reconcile of the attempt.
func (r *Runtime) enqueue(ref job.Ref) {
	if w := r.running(); w != nil {
		w.queue.Add(ref)
	}
}
