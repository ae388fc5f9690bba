package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Cancel ends the attempt: a Launch that is under way stops, a Job is deleted with its pods, which is
// observed when they are gone.
func (r *Runtime) Cancel(_ context.Context, ref job.Ref) error {
	r.mu.Lock()
	stopLaunch, launching := r.launches[ref]
	t := r.tracked[ref]
	if t != nil && t.planned == nil {
		t.planned = &observe.Outcome{Category: api.CategoryCancelled, Message: "cancelled"}
	}
	r.mu.Unlock()
	if launching {
		stopLaunch()
	}
	if t == nil && !launching {
		return fmt.Errorf("cancel attempt %s: it is not observed here", ref)
	}
	r.wake(ref)
	return nil
}

// carryOut writes the decided end to the Job and deletes it, its pods first: in the background the garbage
// collector waits for the Job to go, our finalizer holds the Job, and the pods run on.
func (w *watcher) carryOut(ctx context.Context, t *tracked, j *batchv1.Job, planned observe.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !t.annotate && j.Annotations[observe.AnnotationPlannedOutcome] == "" {
		if err := w.annotateEnding(ctx, j, planned); err != nil {
			return err
		}
	}
	t.annotate = true
	if j.DeletionTimestamp != nil {
		return nil // who else deletes it did so in a way that act copes with
	}
	err := w.client.BatchV1().Jobs(j.Namespace).Delete(ctx, j.Name, metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
		Preconditions:     &metav1.Preconditions{UID: &j.UID},
	})
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}

// annotateEnding makes the decision outlive this process.
func (w *watcher) annotateEnding(ctx context.Context, j *batchv1.Job, planned observe.Outcome) error {
	text, err := json.Marshal(planned)
	if err != nil {
		return fmt.Errorf("write the decided end: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": j.UID, "annotations": map[string]string{observe.AnnotationPlannedOutcome: string(text)},
	}})
	if err != nil {
		return fmt.Errorf("write the decided end: %w", err)
	}
	_, err = w.client.BatchV1().
		Jobs(j.Namespace).
		Patch(ctx, j.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !gone(err) {
		return fmt.Errorf("write the decided end to job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}

// gone reports whether what was to be changed or deleted is not there any more, or another object has its
// name.
func gone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

func (w *watcher) deletePod(ctx context.Context, pod *corev1.Pod, options metav1.DeleteOptions) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	options.Preconditions = &metav1.Preconditions{UID: &pod.UID}
	err := w.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
	if err != nil && !gone(err) {
		return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// insist deals with pods that were told to go and stay: first the grace is taken away, then, of an attempt
// whose end was decided, the object is removed although nobody confirms that the process has ended. A lost
// node has been waited for long enough when that is what was decided.
func (w *watcher) insist(ctx context.Context, s observe.Snapshot, planned *observe.Outcome) (time.Duration, error) {
	var next time.Duration
	if !s.Deleting() {
		if slices.ContainsFunc(
			s.Pods,
			func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil && !podstatus.Terminal(pod) },
		) {
			next = observe.ConfirmationTimeout + time.Second // then its node is doubted
		}
		return next, nil
	}
	timing := w.options.Timing
	for _, pod := range s.Pods {
		switch late := podstatus.Overdue(pod, s.Now); {
		case podstatus.Terminal(pod):
			continue
		case pod.DeletionTimestamp == nil:
			// Told to go by us or by the garbage collector within moments.
			next = sooner(next, 2*time.Second)
			if s.Job != nil && s.Now.Sub(s.Job.DeletionTimestamp.Time) > 10*time.Second {
				if err := w.deletePod(ctx, pod, metav1.DeleteOptions{}); err != nil {
					return 0, err
				}
			}
		case planned != nil && late > 0 && (late >= timing.Force || planned.Category == api.CategoryNodeLost):
			w.options.Log.Warn(
				"pod removed by force, its node does not confirm that it has stopped",
				"pod",
				pod.Namespace+"/"+pod.Name,
				"node",
				pod.Spec.NodeName,
			)
			if err := w.deletePod(ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
				return 0, err
			}
		case late < timing.Escalate:
			next = sooner(next, timing.Escalate-late)
		default:
			next = sooner(next, max(time.Second, timing.Force-late))
			if grace := pod.DeletionGracePeriodSeconds; grace == nil || *grace > 1 {
				if err := w.deletePod(ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1)}); err != nil {
					return 0, err
				}
			}
		}
	}
	return next, nil
}
