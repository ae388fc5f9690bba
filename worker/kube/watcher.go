package kube

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/access"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// watcher is one Run: the informers' copies of Jobs and pods, and the queue of attempts to reconcile.
type watcher struct {
	*Runtime
	installation uuid.UUID
	handler      job.Handler
	queue        workqueue.TypedRateLimitingInterface[job.Ref]
	jobCopies    []cache.SharedIndexInformer // one per namespace
	podCopies    []cache.SharedIndexInformer
	factories    map[string]informers.SharedInformerFactory // by scope
	followers    sync.WaitGroup                             // and what else runs beside the reconciles
	ctx          context.Context                            // of Run: followers live as long

	access *access.Breaker
	events *eventLists
	// workloads explain suspended Jobs.
	workloads *workloads
	// lineFetches bounds how many ends of logs are fetched at once.
	lineFetches chan struct{}
	// suspect is notified, by scope, when a create has failed in a way that says something about the access.
	suspect map[string]chan struct{}
	// settled is true once it was known of every namespace whether it can be served.
	settled    atomic.Bool
	publishing sync.Mutex
	published  map[string]error // the namespaces that the handler knows to be lost; guarded by publishing
	unreadable map[string]bool  // namespaces whose logs the worker may not read; guarded by Runtime.mu
}

// Waits before an attempt is reconciled again after an error.
const (
	firstReconcileWait = 200 * time.Millisecond
	lastReconcileWait  = 30 * time.Second
)

func (r *Runtime) newWatcher(installation uuid.UUID, h job.Handler) (*watcher, error) {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[job.Ref](
		firstReconcileWait, lastReconcileWait)
	w := &watcher{
		Runtime: r, installation: installation, handler: h,
		queue:     workqueue.NewTypedRateLimitingQueue(limiter),
		factories: map[string]informers.SharedInformerFactory{}, published: map[string]error{}, unreadable: map[string]bool{},
		access:  access.New(r.options.Timing.LoseAccess, r.scopes()...),
		suspect: map[string]chan struct{}{},
	}
	w.workloads = newWorkloads(w)
	w.events, w.lineFetches = newEventLists(w), make(chan struct{}, maxLineFetches)
	for _, namespace := range r.scopes() {
		w.suspect[namespace] = make(chan struct{}, 1)
		if err := w.addInformers(namespace); err != nil {
			w.queue.ShutDown()
			return nil, err
		}
	}
	return w, nil
}

// Run observes until ctx ends, and returns after everything it started has ended.
func (r *Runtime) Run(
	ctx context.Context, installation uuid.UUID, h job.Handler, ready chan<- struct{},
) error {
	w, err := r.newWatcher(installation, h)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	w.ctx = ctx
	r.mu.Lock()
	if r.watcher != nil {
		r.mu.Unlock()
		w.queue.ShutDown()
		return errors.New("observe the cluster: this runtime is already running")
	}
	r.watcher = w
	r.mu.Unlock()
	defer w.stop()

	for _, factory := range w.factories {
		factory.StartWithContext(ctx)
	}
	settled := make(chan struct{}, 1)
	for _, scope := range w.scopes() {
		group.Go(func() error { w.awaitList(ctx, scope, settled); return nil })
		group.Go(func() error { w.watchAccess(ctx, scope, settled); return nil })
	}
	for range r.options.Reconcilers {
		group.Go(func() error { return w.work(ctx) })
	}
	group.Go(func() error { return w.sweepLoop(ctx) })
	if w.awaitSettled(ctx, settled) {
		close(ready)
	}
	<-ctx.Done()
	w.queue.ShutDown()
	return group.Wait()
}

// awaitSettled returns when every namespace is listed, or cannot be: one that is lost must not keep the others from
// being served. It returns false if ctx ends first.
func (w *watcher) awaitSettled(ctx context.Context, settled <-chan struct{}) bool {
	unsettled := func(scope string) bool { return !w.access.Settled(scope, time.Now()) }
	for slices.ContainsFunc(w.scopes(), unsettled) {
		select {
		case <-settled:
		case <-ctx.Done():
			return false
		}
	}
	w.settled.Store(true)
	w.publishAccess()
	return true
}

// stop returns when everything that Run started has ended.
func (w *watcher) stop() {
	w.queue.ShutDown()
	// Followers list pods from the informers' copies, so they end first.
	w.followers.Wait()
	for _, factory := range w.factories {
		factory.Shutdown()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watcher = nil
	for _, a := range w.attempts {
		a.follower = nil
	}
}

// enqueueScope schedules a reconcile of the attempts of a scope.
func (w *watcher) enqueueScope(scope string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref, a := range w.attempts {
		if w.scopeOf(a.namespace) == scope {
			w.queue.Add(ref)
		}
	}
}

// work reconciles one attempt after the other.
func (w *watcher) work(ctx context.Context) error {
	for {
		ref, shutdown := w.queue.Get()
		if shutdown {
			return nil
		}
		after, err := w.reconcile(ctx, ref)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.options.Log.Warn("attempt not reconciled, retrying",
				"attempt", ref.String(), "error", cluster.WithHint(err))
			w.queue.AddRateLimited(ref)
		default:
			w.queue.Forget(ref)
			if after > 0 {
				w.queue.AddAfter(ref, after)
			}
		}
		w.queue.Done(ref)
	}
}
