package kube

import (
	"fmt"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/finalizer"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// Runtime runs attempts as Jobs in one cluster.
type Runtime struct {
	config  Config
	options Options
	client  kubernetes.Interface
	metrics metrics
	// finalizers are the names that hold our Jobs.
	finalizers finalizer.Names

	mu       sync.Mutex
	tracked  map[job.Ref]*tracked
	launches map[job.Ref]func() // stops a Launch that is under way
	reported map[types.UID]report
	watcher  *watcher // while Run runs
}

var _ job.Runtime = (*Runtime)(nil)

// tracked is an attempt that was launched or adopted here and not released yet.
type tracked struct {
	ref       job.Ref
	container string
	namespace string
	name      string
	stream    bool
	offset    int64
	adoptedAt time.Time

	// Guarded by Runtime.mu.
	uid      types.UID
	planned  *observe.Outcome // the end that was decided here: the Job is to be deleted
	past     []*corev1.Pod
	stopped  []types.UID // pods that were told to stop while they ran
	follower *follower
	fresh    *batchv1.Job // what create answered, until the watch has caught up; nobody changes it

	// Of the reconcile of this attempt alone; there is never more than one at a time.
	last     *job.Observation
	ended    bool
	annotate bool // the planned end is in the Job's annotation
	events   eventCache
	outlived time.Time // since when the job container has been found outlived
}

// report is what was said to Handler.Found about a Job.
type report struct {
	deleting bool
	at       time.Time
	released bool // there is nothing left to tell
}

// New returns a Runtime for the cluster. Nothing is asked of the cluster before Run or Launch.
func New(config Config, options Options) (*Runtime, error) {
	options = options.withDefaults(config)
	counted, err := newRequests(options.Registerer)
	if err != nil {
		return nil, err
	}
	quiet := counted.seen(config.REST)
	quiet.WarningHandlerWithContext = warnings{options.Log}
	client, err := kubernetes.NewForConfig(quiet)
	if err != nil {
		return nil, fmt.Errorf("make a client for the cluster at %s: %w", config.REST.Host, err)
	}
	return newRuntime(config, options, client)
}

func newRuntime(config Config, options Options, client kubernetes.Interface) (*Runtime, error) {
	options = options.withDefaults(config)
	if slices.Contains(options.Namespaces, AllNamespaces) && len(options.Namespaces) > 1 {
		return nil, fmt.Errorf("watch all namespaces (%s) or the ones named, not both", AllNamespaces)
	}
	slices.Sort(options.Namespaces)
	options.Namespaces = slices.Compact(options.Namespaces)
	finalizers, err := finalizer.New(options.LegacyFinalizers...)
	if err != nil {
		return nil, err
	}
	r := &Runtime{
		config: config, options: options, client: client, finalizers: finalizers,
		tracked: map[job.Ref]*tracked{}, launches: map[job.Ref]func(){}, reported: map[types.UID]report{},
	}
	if r.metrics, err = newMetrics(options.Registerer, r); err != nil {
		return nil, err
	}
	return r, nil
}

// Type is the type of work pool served.
func (r *Runtime) Type() string { return "kubernetes" }

// ClusterID names the cluster.
func (r *Runtime) ClusterID() string { return r.config.ClusterID }

// DefaultNamespace is for manifests that name none.
func (r *Runtime) DefaultNamespace() string { return r.config.Namespace }

// Namespaces is where Jobs may be created; none means everywhere.
func (r *Runtime) Namespaces() []string {
	if r.options.Namespaces[0] == AllNamespaces {
		return nil
	}
	return slices.Clone(r.options.Namespaces)
}

// scopes are the namespaces as the API wants them: one empty name for all.
func (r *Runtime) scopes() []string {
	if r.options.Namespaces[0] == AllNamespaces {
		return []string{metav1.NamespaceAll}
	}
	return r.options.Namespaces
}

func (r *Runtime) serves(namespace string) bool {
	return r.options.Namespaces[0] == AllNamespaces || slices.Contains(r.options.Namespaces, namespace)
}

// track begins to observe an attempt. One that is tracked already is observed anew, so that its end is told
// again and its output handed over from the beginning: it is held under another lease now.
func (r *Runtime) track(a job.Attempt, namespace, name string, created *batchv1.Job) {
	t := &tracked{
		ref: a.Ref, container: a.Container, namespace: namespace, name: name,
		stream: a.StreamOutput, offset: a.OutputOffset, adoptedAt: time.Now(), fresh: created,
	}
	if created != nil {
		observe.Trim(created)
		t.uid = created.UID
	}
	r.mu.Lock()
	if earlier := r.tracked[a.Ref]; earlier != nil {
		t.planned, t.past, t.stopped = earlier.planned, earlier.past, earlier.stopped
		if earlier.follower != nil {
			earlier.follower.cancel()
		}
		if t.uid == "" {
			t.uid = earlier.uid
		}
	}
	r.tracked[a.Ref] = t
	r.mu.Unlock()
	r.wake(a.Ref)
}

// untrack stops observing and returns what was observed, if anything was.
func (r *Runtime) untrack(ref job.Ref) *tracked {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tracked[ref]
	delete(r.tracked, ref)
	return t
}

func (r *Runtime) trackedOf(ref job.Ref) *tracked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracked[ref]
}

// wake has the attempt looked at soon.
func (r *Runtime) wake(ref job.Ref) {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	if w != nil {
		w.queue.Add(ref)
	}
}

// handler is whom Run was started for; nil while it does not run.
func (r *Runtime) handler() job.Handler {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watcher == nil {
		return nil
	}
	return r.watcher.handler
}

// Disown stops observing an attempt that another worker now holds.
func (r *Runtime) Disown(ref job.Ref) {
	if t := r.untrack(ref); t != nil {
		r.stopFollowing(t)
	}
}
