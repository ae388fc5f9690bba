package kube

import (
	"context"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/kueue"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// workloads follow what Kueue says of suspended Jobs, in the scopes that have had one.
type workloads struct {
	w *watcher

	mu      sync.Mutex
	watches map[string]*kueue.Watch          // by scope
	waiting map[string]map[types.UID]job.Ref // the attempts of suspended Jobs, by scope and Job
}

func newWorkloads(w *watcher) *workloads {
	return &workloads{w: w, watches: map[string]*kueue.Watch{}, waiting: map[string]map[types.UID]job.Ref{}}
}

// of returns what is known of the Workload of a Job, and has the attempt reconciled when that changes while the Job is
// suspended.
func (l *workloads) of(ctx context.Context, ref job.Ref, j *batchv1.Job) observe.Workloads {
	scope := l.w.scopeOf(j.Namespace)
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.Spec.Suspend == nil || !*j.Spec.Suspend {
		delete(l.waiting[scope], j.UID)
		return observe.Workloads{}
	}
	watch := l.watches[scope]
	if watch == nil {
		watch = &kueue.Watch{
			REST: l.w.config.REST, Namespace: scope, Log: l.w.options.Log,
			Changed: func(uid types.UID) { l.changed(scope, uid) },
		}
		l.watches[scope], l.waiting[scope] = watch, map[types.UID]job.Ref{}
		l.w.followers.Go(func() { watch.Run(ctx) })
	}
	l.waiting[scope][j.UID] = ref
	return watch.Of(j.UID)
}

func (l *workloads) changed(scope string, uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for waiting, ref := range l.waiting[scope] {
		switch {
		case l.w.attempt(ref) == nil: // its attempt is over
			delete(l.waiting[scope], waiting)
		case uid == waiting, uid == "":
			l.w.queue.Add(ref)
		}
	}
}
