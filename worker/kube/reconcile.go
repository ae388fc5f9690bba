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
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// watchLag is how long the watch may take to show a Job that was created, before the API server is asked.
const watchLag = 15 * time.Second

// reconcile observes one attempt, notifies the handler and acts on the observation. It returns after which
// time to reconcile again even if nothing changes; zero means not at all.
func (w *watcher) reconcile(ctx context.Context, ref job.Ref) (time.Duration, error) {
	a := w.attempt(ref)
	w.reportDiscovered(ref, a)
	if a == nil {
		w.dropPods(ref)
		return 0, nil
	}
	if a.ended || !w.access.IsListed(w.scopeOf(a.namespace)) {
		return 0, nil // until it is listed, copies that are missing say nothing; then it is reconciled
	}
	s, again, err := w.snapshot(ctx, a)
	if err != nil {
		return 0, err
	}

	observed := observe.Attempt(s)
	if observed.Phase == job.Ended && s.StalePods() {
		// How it ended depends on a pod of which the watch shows too little: ask the API server.
		if s.Pods, err = w.listPodsOf(ctx, s.Job); err != nil {
			return 0, err
		}
		observed = observe.Attempt(s)
	}
	if observed.Events != nil {
		// The events may explain what the objects do not: observe again with them.
		again = w.addEvents(a, &s, *observed.Events, again)
		observed = observe.Attempt(s)
	}
	if observed.PolicyError != nil {
		w.options.Log.Warn("cannot read the policy annotation of the job, using the default policy",
			"attempt", ref.String(), "job", a.jobName(), "error", observed.PolicyError)
	}

	w.follow(a, observed)
	switch {
	case observed.Phase == job.Ended:
		w.notifyEnded(w.ctx, a, s, observed.Observation)
		return 0, nil
	case observed.AwaitsPod:
		return time.Second, nil
	}
	next, err := w.act(ctx, a, s, observed)
	if err != nil && observed.Diagnosis == "" {
		observed.Diagnosis = fmt.Sprintf("the Job cannot be ended yet, retrying: %v", cluster.WithHint(err))
	}
	w.notify(a, observed.Observation)
	return sooner(again, next), err
}

// sooner is the shorter of two waits, where zero means none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b > 0 && b < a) {
		return b
	}
	return a
}

// notify hands an observation to the handler if it differs from the last one.
func (w *watcher) notify(a *attempt, observed job.Observation) {
	if a.lastObserved != nil && reflect.DeepEqual(*a.lastObserved, observed) {
		return
	}
	a.lastObserved = &observed
	w.handler.Observed(a.ref, observed)
}

// notifyEnded hands over the outcome, once, and the last lines after it: reading logs may take long, or hang.
func (w *watcher) notifyEnded(ctx context.Context, a *attempt, s observe.Snapshot, observed job.Observation) {
	if ctx.Err() != nil {
		return // the next observer reports it, with the last lines
	}
	a.ended = true
	observed.LinesFollow = true
	w.notify(a, observed)
	if f := w.followerOf(a); f != nil {
		f.Finish()
	}
	w.followers.Go(func() { w.handler.LastLines(a.ref, w.lastLines(ctx, a, s)) })
}

// snapshot collects what is known of the attempt, and after which time to collect it again (zero for never).
// That the Job is missing is believed only of the API server.
func (w *watcher) snapshot(ctx context.Context, a *attempt) (observe.Snapshot, time.Duration, error) {
	s := observe.Snapshot{JobName: a.jobName(), Pods: w.podsOf(a.ref), Now: time.Now(), AskedIndexes: a.indexes}
	for _, pod := range s.Pods {
		w.noteStopped(a.ref, pod)
	}
	w.mu.Lock()
	uid, created := a.uid, a.created
	s.Planned = a.planned
	s.PastPods, s.StoppedPods = slices.Clone(a.pastPods), slices.Clone(a.stoppedPods)
	w.mu.Unlock()

	// A deleted pod may still be among the copies that were listed above.
	s.PastPods = slices.DeleteFunc(s.PastPods, func(past *corev1.Pod) bool {
		return slices.ContainsFunc(s.Pods, func(pod *corev1.Pod) bool { return pod.UID == past.UID })
	})
	for _, j := range w.jobsOf(a.ref) {
		if j.UID == uid || (uid == "" && j.Namespace == a.namespace && j.Name == a.name) {
			s.Job = j
		}
	}

	again := time.Duration(0)
	switch {
	case created == nil:
	case s.Job != nil:
		w.mu.Lock()
		a.created = nil
		w.mu.Unlock()
	case s.Now.Sub(a.adoptedAt) < watchLag:
		s.Job, again = created, watchLag
	}
	if s.Job == nil {
		var err error
		if s.Job, err = w.getJob(ctx, a, uid); err != nil {
			return s, 0, err
		}
	}
	if s.Job != nil {
		w.mu.Lock()
		a.uid = s.Job.UID
		w.mu.Unlock()
		s.Pods = podsOfJob(s.Pods, s.Job)
		s.Workloads = w.workloads.of(w.ctx, a.ref, s.Job)
		if s.Workloads.Readable && s.Workloads.Found == nil {
			again = sooner(again, observe.WithoutWorkload)
		}
	}
	return s, again, nil
}

// podsOfJob drops the pods of another Job with the same labels. It changes the slice.
func podsOfJob(pods []*corev1.Pod, j *batchv1.Job) []*corev1.Pod {
	return slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
		controller := pod.Labels[batchv1.ControllerUidLabel]
		return controller != "" && controller != string(j.UID)
	})
}

// getJob asks the API server for the attempt's Job; nil if there is none, or if the name belongs to another.
func (w *watcher) getJob(ctx context.Context, a *attempt, uid types.UID) (*batchv1.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	j, err := w.api.BatchV1().Jobs(a.namespace).Get(ctx, a.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get job %s: %w", a.jobName(), err)
	}
	ref, ok := jobclient.RefOf(j)
	if !ok || ref != a.ref || j.Labels[manifest.LabelInstallation] != w.installation.String() ||
		(uid != "" && j.UID != uid) {
		return nil, nil
	}
	return j, nil
}
