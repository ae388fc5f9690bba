package kube

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
)

const (
	// catchUp is how long the watch may take to show what create has answered, before the API server is
	// asked.
	catchUp = 15 * time.Second
	// callTimeout is for one request to the API server.
	callTimeout = 30 * time.Second
	// eventsAge is how long an answer about events is good for at first, maxEventsAge after a long wait.
	eventsAge    = 15 * time.Second
	maxEventsAge = 2 * time.Minute
)

// reconcile looks at one attempt, tells what it sees and does what follows from it. It returns when to look
// again even if nothing changes; zero means that nothing has to.
func (w *watcher) reconcile(ctx context.Context, ref job.Ref) (time.Duration, error) {
	t := w.trackedOf(ref)
	w.report(ref, t)
	if t == nil || t.ended {
		return 0, nil
	}
	s, again, err := w.snapshot(ctx, t)
	if err != nil {
		return 0, err
	}
	v := observe.Attempt(s)
	if v.Events != nil {
		if again, err = w.askEvents(ctx, t, &s, *v.Events, again); err != nil {
			return 0, err
		}
		v = observe.Attempt(s)
	}
	if v.PolicyError != nil {
		w.options.Log.Warn(
			"the template's policy can not be read from the job: it is looked after the usual way",
			"attempt",
			ref.String(),
			"error",
			v.PolicyError,
		)
	}
	w.follow(t, v)
	if v.Phase == job.Ended {
		w.finish(ctx, t, s, v)
		return 0, nil
	}
	if v.AwaitsPod {
		return time.Second, nil
	}
	w.tell(t, v.Observation)
	next, err := w.act(ctx, t, s, v)
	return sooner(again, next), err
}

// sooner is the shorter of two waits, where zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b > 0 && b < a) {
		return b
	}
	return a
}

// snapshot collects what is known of the attempt. That its Job is missing is believed only of the API server.
func (w *watcher) snapshot(ctx context.Context, t *tracked) (observe.Snapshot, time.Duration, error) {
	now := time.Now()
	s := observe.Snapshot{JobName: t.namespace + "/" + t.name, Pods: w.podsOf(t.ref), Now: now}
	for _, pod := range s.Pods {
		w.noteStopped(t.ref, pod)
	}
	w.mu.Lock()
	uid, past, fresh := t.uid, slices.Clone(t.past), t.fresh
	s.StoppedPods = slices.Clone(t.stopped)
	w.mu.Unlock()
	s.PastPods = slices.DeleteFunc(past, func(gone *corev1.Pod) bool {
		return slices.ContainsFunc(s.Pods, func(p *corev1.Pod) bool { return p.UID == gone.UID })
	})
	for _, j := range w.jobsOf(t.ref) {
		if j.UID == uid || (uid == "" && j.Namespace == t.namespace && j.Name == t.name) {
			s.Job = j
		}
	}
	again := time.Duration(0)
	switch {
	case fresh == nil:
	case s.Job != nil:
		w.mu.Lock()
		t.fresh = nil
		w.mu.Unlock()
	case now.Sub(t.adoptedAt) < catchUp:
		s.Job, again = fresh, catchUp
	}
	if s.Job == nil {
		var err error
		if s.Job, err = w.liveJob(ctx, t, uid); err != nil {
			return s, 0, err
		}
	}
	if s.Job != nil {
		w.mu.Lock()
		t.uid = s.Job.UID
		w.mu.Unlock()
		s.Pods = ofJob(s.Pods, s.Job)
	}
	return s, again, nil
}

// ofJob drops pods of another Job that carries the same labels.
func ofJob(pods []*corev1.Pod, j *batchv1.Job) []*corev1.Pod {
	return slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
		owner := pod.Labels[batchv1.ControllerUidLabel]
		return owner != "" && owner != string(j.UID)
	})
}

// liveJob asks the API server for the attempt's Job; nil where there is none, or where the name is somebody
// else's.
func (w *watcher) liveJob(ctx context.Context, t *tracked, uid types.UID) (*batchv1.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	j, err := w.client.BatchV1().Jobs(t.namespace).Get(ctx, t.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for job %s/%s: %w", t.namespace, t.name, err)
	}
	ref, ok := refOf(j)
	if !ok || ref != t.ref || j.Labels[manifest.LabelInstallation] != w.installation.String() ||
		(uid != "" && j.UID != uid) {
		return nil, nil
	}
	return j, nil
}

// tell hands over what was seen, where it differs from what was told before.
func (w *watcher) tell(t *tracked, seen job.Observation) {
	if t.last != nil && reflect.DeepEqual(*t.last, seen) {
		return
	}
	t.last = &seen
	w.handler.Observed(t.ref, seen)
}

// finish tells the end, once.
func (w *watcher) finish(ctx context.Context, t *tracked, s observe.Snapshot, v observe.Result) {
	v.LastLines = w.lastLines(ctx, t, s)
	if ctx.Err() != nil {
		return // whoever observes next tells it, with the last lines
	}
	t.ended = true
	w.tell(t, v.Observation)
	if f := w.followerOf(t); f != nil {
		f.finish()
	}
}
