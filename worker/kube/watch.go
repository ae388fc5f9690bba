package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// watcher is one Run: the copies of Jobs and pods that the API server keeps up to date, and the queue of
// attempts that may look different.
type watcher struct {
	*Runtime
	installation uuid.UUID
	handler      job.Handler
	queue        workqueue.TypedRateLimitingInterface[job.Ref]
	jobs, pods   []cache.SharedIndexInformer
	informers    []informers.SharedInformerFactory
	followers    sync.WaitGroup
	ctx          context.Context // of Run; followers live as long
}

const indexRef = "ref"

// trim is the transform of the informers.
func trim(object any) (any, error) {
	observe.Trim(object)
	return object, nil
}

// Run observes until ctx ends.
func (r *Runtime) Run(
	ctx context.Context,
	installation uuid.UUID,
	h job.Handler,
	ready chan<- struct{},
) error {
	w, err := r.newWatcher(installation, h)
	if err != nil {
		w.queue.ShutDown()
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	w.ctx = ctx
	r.mu.Lock()
	if r.watcher != nil {
		r.mu.Unlock()
		w.queue.ShutDown()
		return errors.New("observe the cluster: this runtime runs already")
	}
	r.watcher = w
	r.mu.Unlock()
	defer w.stop()

	for _, factory := range w.informers {
		factory.StartWithContext(ctx)
	}
	if !w.synced(ctx) {
		return nil
	}
	w.reportAll()
	w.wakeTracked()
	close(ready)
	for range r.options.Reconcilers {
		group.Go(func() error { return w.work(ctx) })
	}
	group.Go(func() error { return w.sweepLoop(ctx) })
	<-ctx.Done()
	w.queue.ShutDown()
	return group.Wait()
}

// stop returns when everything that Run started has ended.
func (w *watcher) stop() {
	w.queue.ShutDown()
	w.followers.Wait()
	for _, factory := range w.informers {
		factory.Shutdown()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watcher = nil
	for _, t := range w.tracked {
		t.follower = nil
	}
}

func (r *Runtime) newWatcher(installation uuid.UUID, h job.Handler) (*watcher, error) {
	w := &watcher{
		Runtime: r, installation: installation, handler: h,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[job.Ref](
				200*time.Millisecond,
				30*time.Second,
			),
		),
	}
	for _, namespace := range r.scopes() {
		factory := informers.NewSharedInformerFactoryWithOptions(
			r.client,
			r.options.Timing.Resync,
			informers.WithNamespace(namespace),
			informers.WithTweakListOptions(
				func(o *metav1.ListOptions) { o.LabelSelector = installationSelector(installation) },
			),
			informers.WithTransform(trim),
		)
		jobs, pods := factory.Batch().V1().Jobs().Informer(), factory.Core().V1().Pods().Informer()
		for _, informer := range []cache.SharedIndexInformer{jobs, pods} {
			if err := w.prepare(informer, namespace); err != nil {
				return w, fmt.Errorf("observe namespace %q: %w", namespace, err)
			}
		}
		w.informers, w.jobs, w.pods = append(w.informers, factory), append(w.jobs, jobs), append(w.pods, pods)
	}
	return w, nil
}

func (w *watcher) prepare(informer cache.SharedIndexInformer, namespace string) error {
	err := informer.AddIndexers(cache.Indexers{indexRef: func(object any) ([]string, error) {
		if ref, ok := refOf(object.(metav1.Object)); ok {
			return []string{ref.String()}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return err
	}
	err = informer.SetWatchErrorHandlerWithContext(
		func(ctx context.Context, reflector *cache.Reflector, err error) {
			if ctx.Err() == nil {
				w.options.Log.Warn(
					"watch of the cluster was interrupted, it goes on",
					"namespace",
					namespace,
					"error",
					hinted(err),
				)
			}
			cache.DefaultWatchErrorHandler(ctx, reflector, err)
		},
	)
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.changed,
		UpdateFunc: func(_, object any) { w.changed(object) },
		DeleteFunc: w.gone,
	})
	return err
}

func (w *watcher) changed(object any) {
	ref, ok := refOf(object.(metav1.Object))
	if !ok {
		return
	}
	if pod, ok := object.(*corev1.Pod); ok {
		w.noteStopped(ref, pod)
	}
	w.queue.Add(ref)
}

// noteStopped remembers that a pod was told to stop while it ran: a pod that has ended does not say when it
// was.
func (w *watcher) noteStopped(ref job.Ref, pod *corev1.Pod) {
	if pod.DeletionTimestamp == nil || podstatus.Terminal(pod) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.tracked[ref]; t != nil && !slices.Contains(t.stopped, pod.UID) {
		t.stopped = append(t.stopped, pod.UID)
	}
}

// gone keeps what a pod looked like at last: with it goes how it ended.
func (w *watcher) gone(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	meta, ok := object.(metav1.Object)
	if !ok {
		return
	}
	ref, ok := refOf(meta)
	if !ok {
		return
	}
	w.mu.Lock()
	_, told := w.reported[meta.GetUID()]
	delete(w.reported, meta.GetUID())
	if pod, ok := object.(*corev1.Pod); ok {
		if t := w.tracked[ref]; t != nil {
			t.past = append(t.past, pod)[max(0, len(t.past)-3):]
		}
	}
	w.mu.Unlock()
	if told {
		w.handler.Gone(job.Object{Ref: ref, UID: string(meta.GetUID())})
	}
	w.queue.Add(ref)
}

func (w *watcher) synced(ctx context.Context) bool {
	var all []cache.InformerSynced
	for i := range w.jobs {
		all = append(all, w.jobs[i].HasSynced, w.pods[i].HasSynced)
	}
	return cache.WaitForCacheSync(ctx.Done(), all...)
}

func (w *watcher) wakeTracked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref := range w.tracked {
		w.queue.Add(ref)
	}
}

// work looks at one attempt after the other.
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
			w.options.Log.Warn(
				"attempt could not be looked after, trying again",
				"attempt",
				ref.String(),
				"error",
				hinted(err),
			)
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

// jobsOf are the Jobs that carry the labels of the attempt; there should be one at most.
func (w *watcher) jobsOf(ref job.Ref) []*batchv1.Job { return indexed[*batchv1.Job](w.jobs, ref) }

func (w *watcher) podsOf(ref job.Ref) []*corev1.Pod { return indexed[*corev1.Pod](w.pods, ref) }

func indexed[T any](from []cache.SharedIndexInformer, ref job.Ref) []T {
	var all []T
	for _, informer := range from {
		objects, err := informer.GetIndexer().ByIndex(indexRef, ref.String())
		if err != nil {
			panic("the index of attempts is missing: " + err.Error())
		}
		for _, object := range objects {
			all = append(all, object.(T))
		}
	}
	return all
}

// jobWithUID finds a Job in the copies.
func (w *watcher) jobWithUID(ref job.Ref, uid types.UID) *batchv1.Job {
	for _, j := range w.jobsOf(ref) {
		if j.UID == uid {
			return j
		}
	}
	return nil
}
