package kube

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podlog"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// follow starts to follow the attempt's output once there may be any, and tells a running follower that the
// pods may have changed.
func (w *watcher) follow(a *attempt, observed observe.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.follower != nil {
		a.follower.PodsChanged()
		return
	}
	if !a.stream || !observed.HasOutput || w.attempts[a.ref] != a {
		return
	}
	follower := podlog.New(podlog.Options{
		API:  w.api,
		Pods: func() []*corev1.Pod { return w.podsOf(a.ref) },
		Output: func(ctx context.Context, offset int64, text []byte) error {
			return w.handler.Output(ctx, a.ref, offset, text)
		},
		Container:     a.container,
		AllContainers: observed.Policy.AllLogs,
		Offset:        a.offset,
		AdoptedAt:     a.adoptedAt,
		Log:           w.options.Log.With("attempt", a.ref.String()),
	})
	ctx, cancel := context.WithCancel(w.ctx)
	a.follower, a.stopFollow = follower, cancel
	w.followers.Go(func() {
		defer cancel()
		follower.Run(ctx)
	})
}

func (r *Runtime) followerOf(a *attempt) *podlog.Follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	return a.follower
}

// awaitOutput waits, within a limit, until the output is read to its end: the finalized Job and its log may
// be deleted.
func (r *Runtime) awaitOutput(ctx context.Context, object job.Object) {
	a := r.attempt(object.Ref)
	if a == nil || (object.UID != "" && string(r.uidOf(a)) != object.UID) {
		return
	}
	follower := r.followerOf(a)
	if follower == nil {
		return
	}
	follower.Finish()
	timer := time.NewTimer(r.options.Timing.Output)
	defer timer.Stop()
	select {
	case <-follower.Done():
	case <-ctx.Done():
	case <-timer.C:
		r.options.Log.Warn("output not read to its end before the job is finalized",
			"attempt", object.Ref.String(), "waited", r.options.Timing.Output)
	}
}

// lastLines returns the end of the output, from the pod or else from what was followed. If the job container
// has not started because another container failed, it is the output of that one, which tells why.
func (w *watcher) lastLines(ctx context.Context, a *attempt, s observe.Snapshot) string {
	if pod := s.DecidingPod(); pod != nil {
		container := a.container
		failed := podstatus.FirstFailed(pod)
		if failed != nil && podstatus.StartedAt(podstatus.Container(pod, container)) == nil {
			container = failed.Name
		}
		if podstatus.StartedAt(podstatus.AnyContainer(pod, container)) != nil {
			if text, err := podlog.FetchLastLines(ctx, w.api, pod, container); err == nil && text != "" {
				return text
			}
		}
	}
	if follower := w.followerOf(a); follower != nil {
		return follower.LastLines()
	}
	return ""
}
