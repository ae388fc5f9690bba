package kube

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/access"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// attemptIndex indexes the copies by the attempt in their labels.
const attemptIndex = "attempt"

// pastPodsKept bounds how many deleted pods are remembered per attempt.
const pastPodsKept = 4

// addInformers adds an informer on Jobs and one on pods of a namespace. The API server filters by
// installation.
func (w *watcher) addInformers(namespace string) error {
	factory := informers.NewSharedInformerFactoryWithOptions(w.api, w.options.Timing.Resync,
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = jobclient.UnreleasedSelector(w.installation.String())
		}),
		informers.WithTransform(func(object any) (any, error) {
			w.trimmer.Trim(object)
			return object, nil
		}),
	)
	jobs, pods := factory.Batch().V1().Jobs().Informer(), factory.Core().V1().Pods().Informer()
	for _, informer := range []cache.SharedIndexInformer{jobs, pods} {
		if err := w.configure(informer, namespace); err != nil {
			return fmt.Errorf("observe namespace %q: %w", namespace, err)
		}
	}
	w.factories[namespace] = factory
	w.jobCopies, w.podCopies = append(w.jobCopies, jobs), append(w.podCopies, pods)
	return nil
}

func (w *watcher) configure(informer cache.SharedIndexInformer, namespace string) error {
	err := informer.AddIndexers(cache.Indexers{attemptIndex: func(object any) ([]string, error) {
		if ref, ok := jobclient.RefOf(object.(metav1.Object)); ok {
			return []string{ref.String()}, nil
		}
		return nil, nil
	}})
	if err != nil {
		return err
	}
	logInterruption := func(ctx context.Context, reflector *cache.Reflector, err error) {
		if ctx.Err() == nil {
			w.access.Failed(namespace, access.List, err, time.Now()) // has no effect once the list is there
			w.options.Log.Warn("watch interrupted, resuming",
				"namespace", namespace, "error", cluster.WithHint(err))
		}
		cache.DefaultWatchErrorHandler(ctx, reflector, err)
	}
	if err := informer.SetWatchErrorHandlerWithContext(logInterruption); err != nil {
		return err
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.changed,
		UpdateFunc: func(_, object any) { w.changed(object) },
		DeleteFunc: w.deleted,
	})
	return err
}

// awaitList waits until the Jobs and pods of a scope are known. Then every Job of it that this runtime does not observe is
// reported, and what is observed is reconciled.
func (w *watcher) awaitList(ctx context.Context, scope string, settled chan<- struct{}) {
	factory := w.factories[scope]
	jobs, pods := factory.Batch().V1().Jobs().Informer(), factory.Core().V1().Pods().Informer()
	if !cache.WaitForCacheSync(ctx.Done(), jobs.HasSynced, pods.HasSynced) {
		return
	}
	w.access.Listed(scope)
	for j := range all[*batchv1.Job]([]cache.SharedIndexInformer{jobs}) {
		if ref, ok := jobclient.RefOf(j); ok {
			w.reportDiscovered(ref, w.attempt(ref))
		}
	}
	for pod := range all[*corev1.Pod]([]cache.SharedIndexInformer{pods}) {
		if ref, ok := jobclient.RefOf(pod); ok {
			w.queue.Add(ref)
		}
	}
	w.enqueueScope(scope)
	w.publishAccess()
	notify(settled)
	w.sweep(ctx)
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// changed handles an added or changed Job or pod.
func (w *watcher) changed(object any) {
	ref, ok := jobclient.RefOf(object.(metav1.Object))
	if !ok {
		return
	}
	switch o := object.(type) {
	case *corev1.Pod:
		w.noteStopped(ref, o)
	case *batchv1.Job:
		w.jobChanged(o.UID)
	}
	w.queue.Add(ref)
}

// dropPods forgets pods that have ended and that nothing will ask about: their Job was finalized, so that it is no longer
// among the copies. The API server cannot leave them out, as their labels do not change, and there may be many more of
// them than of active ones. One that changes, or is listed again, comes back and is forgotten again.
func (w *watcher) dropPods(ref job.Ref) {
	if w.launching(ref) || len(w.jobsOf(ref)) > 0 {
		return
	}
	for _, informer := range w.podCopies {
		for _, pod := range indexed[*corev1.Pod]([]cache.SharedIndexInformer{informer}, ref) {
			if !podstatus.Terminal(pod) || !w.access.IsListed(w.scopeOf(pod.Namespace)) {
				continue
			}
			if err := informer.GetIndexer().Delete(pod); err != nil {
				w.options.Log.Warn("cannot forget a pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
			}
		}
	}
}

// noteStopped remembers a pod that is being deleted while it runs: after it has ended it no longer shows
// whether the deletion came first.
func (w *watcher) noteStopped(ref job.Ref, pod *corev1.Pod) {
	if pod.DeletionTimestamp == nil || podstatus.Terminal(pod) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.attempts[ref]; a != nil && !slices.Contains(a.stoppedPods, pod.UID) {
		a.stoppedPods = append(a.stoppedPods, pod.UID)
	}
}

// deleted handles a deleted Job or pod. It keeps the last copy of a pod, which shows how the attempt ended.
func (w *watcher) deleted(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	meta, ok := object.(metav1.Object)
	if !ok {
		return
	}
	ref, ok := jobclient.RefOf(meta)
	if !ok {
		return
	}

	w.mu.Lock()
	_, discovered := w.discovered[meta.GetUID()]
	delete(w.discovered, meta.GetUID())
	if pod, ok := object.(*corev1.Pod); ok {
		if a := w.attempts[ref]; a != nil {
			a.keepPastPod(pod)
		}
	}
	w.mu.Unlock()
	w.jobChanged(meta.GetUID())

	if discovered {
		w.handler.Gone(job.Object{Ref: ref, UID: string(meta.GetUID())})
	}
	w.queue.Add(ref)
}

// keepPastPod remembers a deleted pod. Beyond the bound those go first that were stopped while they ran: the
// Job controller stops many because one failed. The caller holds the lock.
func (a *attempt) keepPastPod(pod *corev1.Pod) {
	a.pastPods = append(a.pastPods, pod)
	if len(a.pastPods) <= pastPodsKept {
		return
	}
	stopped := func(pod *corev1.Pod) bool { return slices.Contains(a.stoppedPods, pod.UID) }
	drop := max(0, slices.IndexFunc(a.pastPods, stopped))
	a.pastPods = slices.Delete(a.pastPods, drop, drop+1)
}

// jobsOf are the copies of Jobs with the labels of the attempt; there should be at most one.
func (w *watcher) jobsOf(ref job.Ref) []*batchv1.Job { return indexed[*batchv1.Job](w.jobCopies, ref) }

func (w *watcher) podsOf(ref job.Ref) []*corev1.Pod { return indexed[*corev1.Pod](w.podCopies, ref) }

func indexed[T any](copies []cache.SharedIndexInformer, ref job.Ref) []T {
	var found []T
	for _, informer := range copies {
		objects, err := informer.GetIndexer().ByIndex(attemptIndex, ref.String())
		if err != nil {
			panic("the index of attempts is missing: " + err.Error())
		}
		for _, object := range objects {
			found = append(found, object.(T))
		}
	}
	return found
}

// jobWithUID finds a Job among the copies, or nil.
func (w *watcher) jobWithUID(ref job.Ref, uid types.UID) *batchv1.Job {
	for _, j := range w.jobsOf(ref) {
		if j.UID == uid {
			return j
		}
	}
	return nil
}

// allJobs iterates over the copies of the installation's Jobs; there are none unless Run runs.
func (r *Runtime) allJobs() iter.Seq[*batchv1.Job] {
	if w := r.running(); w != nil {
		return all[*batchv1.Job](w.jobCopies)
	}
	return all[*batchv1.Job](nil)
}

// allPods iterates over the copies of the installation's pods; there are none unless Run runs.
func (r *Runtime) allPods() iter.Seq[*corev1.Pod] {
	if w := r.running(); w != nil {
		return all[*corev1.Pod](w.podCopies)
	}
	return all[*corev1.Pod](nil)
}

func all[T any](copies []cache.SharedIndexInformer) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, informer := range copies {
			for _, object := range informer.GetStore().List() {
				if !yield(object.(T)) {
					return
				}
			}
		}
	}
}
