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
		Output: func(ctx context.Context, offset int64, text []byte, position string) error {
			return w.handler.Output(ctx, a.ref, job.Output{Offset: offset, Text: text, Position: position})
		},
		Container:     a.container,
		AllContainers: observed.Policy.AllLogs,
		Stored:        a.offset,
		Position:      a.position,
		Unpermitted:   w.logsUnpermitted,
		Log:           w.options.Log,
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

// logsUnpermitted warns once for each namespace that logs cannot be read there.
func (w *watcher) logsUnpermitted(pod *corev1.Pod, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unreadable[pod.Namespace] {
		return
	}
	w.unreadable[pod.Namespace] = true
	w.options.Log.Warn("output cannot be read: grant the worker's ServiceAccount get on pods/log in the namespace",
		"namespace", pod.Namespace, "error", err)
}

const (
	// maxLineFetches bounds how many ends of logs are fetched at once.
	maxLineFetches = 64
	// lineFetchPatience is how long a fetch may wait for its turn: the end is reported without it then.
	lineFetchPatience = 2 * time.Second
	// followerPatience is how long a follower may take to read to the end, which saves a fetch.
	followerPatience = time.Second
)

// lastLines returns the end of the output: what was followed, if that has come to the end, else it is read from the pod.
// If the job container has not started because another container failed, it is the output of that one, which tells why.
func (w *watcher) lastLines(ctx context.Context, a *attempt, s observe.Snapshot) string {
	pod := s.DecidingPod()
	followed := ""
	if follower := w.followerOf(a); follower != nil && pod == s.NewestPod() { // which it has read last
		patience := time.NewTimer(followerPatience)
		defer patience.Stop()
		select {
		case <-follower.Done(): // it was told to finish
		case <-patience.C:
		case <-ctx.Done():
		}
		text, complete := follower.LastLines()
		if complete {
			return text
		}
		followed = text
	}
	turn, cancel := context.WithTimeout(ctx, lineFetchPatience)
	defer cancel()
	select {
	case w.lineFetches <- struct{}{}:
		defer func() { <-w.lineFetches }()
	case <-turn.Done():
		return followed
	}

	if pod != nil {
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
	return followed
}
