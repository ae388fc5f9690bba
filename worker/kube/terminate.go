package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Cancel ends the attempt. A Launch in progress stops; a Job is deleted with its pods, and the outcome is
// observed when they are gone.
func (r *Runtime) Cancel(_ context.Context, ref job.Ref) error {
	r.mu.Lock()
	launch, launching := r.launches[ref]
	a := r.attempts[ref]
	if a != nil && a.planned == nil {
		a.planned = &observe.Outcome{Category: api.CategoryCancelled, Message: "cancelled"}
	}
	r.mu.Unlock()

	// A launch in progress may have created the Job already; then it returns the Job, and cancels again.
	if launching {
		launch.cancel()
	}
	if a == nil && !launching {
		return fmt.Errorf("cancel attempt %s: this worker does not observe it", ref)
	}
	r.enqueue(ref)
	return nil
}

// deleteFor deletes the Job for a planned outcome, which it writes to the Job first. What refuses the patch, such as the
// webhook of a controller that is away, must not keep the pods running: a deletion asks no webhook for updates.
func (w *watcher) deleteFor(ctx context.Context, a *attempt, j *batchv1.Job, planned observe.Outcome) error {
	if !a.plannedWritten && j.Annotations[observe.AnnotationPlannedOutcome] == "" {
		if err := w.jobs.WritePlannedOutcome(ctx, j, planned); err != nil {
			w.options.Log.Warn("cannot write the planned outcome to the job, deleting it without",
				"attempt", a.ref.String(), "job", a.jobName(), "error", cluster.WithHint(err))
		}
	}
	a.plannedWritten = true
	if j.DeletionTimestamp != nil {
		return nil // act deletes the pods that another kind of deletion leaves
	}
	return w.jobs.DeleteForeground(ctx, j)
}

// What is expected of a pod of a Job that is being deleted.
const (
	// podDeletionLag is how soon the garbage collector, or act, should delete a pod.
	podDeletionLag = 10 * time.Second
	// podDeletionPoll is how often that is checked.
	podDeletionPoll = 2 * time.Second
)

// escalate deals with pods that should have stopped. It returns after which time to check them again.
func (w *watcher) escalate(
	ctx context.Context, s observe.Snapshot, planned *observe.Outcome,
) (time.Duration, error) {
	if !s.Deleting() {
		stopping := func(pod *corev1.Pod) bool {
			return pod.DeletionTimestamp != nil && !podstatus.Terminal(pod)
		}
		if slices.ContainsFunc(s.Pods, stopping) {
			return observe.ConfirmationTimeout + time.Second, nil // by then its node is considered lost
		}
		return 0, nil
	}
	var next time.Duration
	for _, pod := range s.Pods {
		if podstatus.Terminal(pod) {
			continue
		}
		again, err := w.escalatePod(ctx, s, pod, planned)
		if err != nil {
			return 0, err
		}
		next = sooner(next, again)
	}
	return next, nil
}

// escalatePod deals with one pod of a Job that is being deleted. A pod that outlasts its grace period loses
// it. Later its object is removed by force although its node does not confirm that it has stopped, but only
// for a planned outcome: a pod of a Job that someone else deleted may still run, and its outcome would be a
// guess. If the planned outcome is a lost node, the node had its time already.
func (w *watcher) escalatePod(
	ctx context.Context, s observe.Snapshot, pod *corev1.Pod, planned *observe.Outcome,
) (time.Duration, error) {
	timing := w.options.Timing
	late := podstatus.Overdue(pod, s.Now)
	switch {
	case pod.DeletionTimestamp == nil:
		if s.Job != nil && s.Now.Sub(s.Job.DeletionTimestamp.Time) > podDeletionLag {
			return podDeletionPoll, w.jobs.DeletePod(ctx, pod, jobclient.PodGracePeriod)
		}
		return podDeletionPoll, nil

	case planned != nil && late > 0 && (late >= timing.Force || planned.Category == api.CategoryNodeLost):
		w.options.Log.Warn("pod removed by force: its node does not confirm that it has stopped",
			"pod", pod.Namespace+"/"+pod.Name, "node", pod.Spec.NodeName)
		return 0, w.jobs.DeletePod(ctx, pod, 0)

	case late < timing.Escalate:
		return timing.Escalate - late, nil
	}

	again := max(time.Second, timing.Force-late)
	if grace := pod.DeletionGracePeriodSeconds; grace == nil || *grace > 1 {
		return again, w.jobs.DeletePod(ctx, pod, 1)
	}
	return again, nil
}
