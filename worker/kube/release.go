package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// Release takes our finalizers off a Job and sets its TTL, in one patch. A Job that runs although its attempt is over is
// deleted: the server ended the attempt without us, or the Job came to be after it was given up. It is safe to repeat.
func (r *Runtime) Release(ctx context.Context, found job.Found) error {
	r.waitForOutput(ctx, found)
	err := r.letGo(ctx, found, func(j *batchv1.Job) error {
		running, err := r.mayRun(ctx, found.Ref, j)
		switch {
		case err != nil:
			return err
		case running:
			r.options.Log.Warn("a job runs although its attempt is over: deleting it", "attempt", found.Ref.String(), "job", j.Namespace+"/"+j.Name)
			return r.remove(ctx, j)
		}
		return r.release(ctx, j, false)
	})
	if err != nil {
		return fmt.Errorf("release attempt %s: %w", found.Ref, err)
	}
	return nil
}

// Disown takes our finalizers off a Job and sets its TTL, whatever it does. It is safe to repeat.
func (r *Runtime) Disown(ctx context.Context, found job.Found) error {
	if err := r.letGo(ctx, found, func(j *batchv1.Job) error { return r.release(ctx, j, false) }); err != nil {
		return fmt.Errorf("disown attempt %s: %w", found.Ref, err)
	}
	return nil
}

// letGo does something to the Jobs that are meant, and looks after them no more.
func (r *Runtime) letGo(ctx context.Context, found job.Found, do func(j *batchv1.Job) error) error {
	jobs, err := r.locate(ctx, found)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		r.metrics.released.WithLabelValues(resultAbsent).Inc()
	}
	for _, j := range jobs {
		if err := do(j); err != nil {
			return err
		}
	}
	r.forgetReleased(found)
	return nil
}

// mayRun reports whether a pod of the Job runs, or may come to. What the copies show of an end is enough; that something runs
// is believed of the API server alone. Of a Job that is being deleted, Kubernetes ends what is left.
func (r *Runtime) mayRun(ctx context.Context, ref job.Ref, j *batchv1.Job) (bool, error) {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	plain := snapshot{job: j}.plain()
	if w != nil && plain && allEnded(ofJob(w.podsOf(ref), j)) {
		return false, nil
	}
	if over(j) || j.DeletionTimestamp != nil {
		return false, nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	current, err := r.client.BatchV1().Jobs(j.Namespace).Get(call, j.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for job %s/%s: %w", j.Namespace, j.Name, err)
	case current.UID != j.UID, over(current), current.DeletionTimestamp != nil:
		return false, nil
	}
	list, err := r.client.CoreV1().Pods(j.Namespace).List(call, metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(j.UID)})
	if err != nil {
		return false, fmt.Errorf("look for pods of job %s/%s: %w", j.Namespace, j.Name, err)
	}
	pods := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[i] = &list.Items[i]
	}
	return !plain || !allEnded(pods), nil
}

// allEnded is false where there is none.
func allEnded(pods []*corev1.Pod) bool {
	return len(pods) > 0 && !slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return !terminal(pod) })
}

// forgetReleased stops observing the attempt, unless it is another Job that was released.
func (r *Runtime) forgetReleased(found job.Found) {
	t := r.trackedOf(found.Ref)
	if t == nil {
		return
	}
	if uid := r.uidOf(t); found.UID == "" || uid == "" || string(uid) == found.UID {
		r.Forget(found.Ref)
	}
}

// Discard deletes a Job that lost the race for its attempt, with its pods, and releases it.
func (r *Runtime) Discard(ctx context.Context, found job.Found) error {
	jobs, err := r.locate(ctx, found)
	if err != nil {
		return fmt.Errorf("discard job of attempt %s: %w", found.Ref, err)
	}
	for _, j := range jobs {
		if err := r.remove(ctx, j); err != nil {
			return fmt.Errorf("discard job of attempt %s: %w", found.Ref, err)
		}
	}
	r.forgetReleased(found)
	return nil
}

// remove deletes a Job, its pods first, and takes our finalizer off, so that nothing of ours holds it.
func (r *Runtime) remove(ctx context.Context, j *batchv1.Job) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := r.client.BatchV1().Jobs(j.Namespace).Delete(call, j.Name, metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
		Preconditions:     &metav1.Preconditions{UID: &j.UID},
	})
	if err != nil && !gone(err) {
		return fmt.Errorf("delete job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return r.release(ctx, j, true)
}

// locate finds the Jobs that are meant: the one with the UID, or where that is not known, those of the attempt.
func (r *Runtime) locate(ctx context.Context, found job.Found) ([]*batchv1.Job, error) {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	if w != nil && found.UID != "" {
		if j := w.jobWithUID(found.Ref, types.UID(found.UID)); j != nil {
			return []*batchv1.Job{j}, nil
		}
	}
	var jobs []*batchv1.Job
	for _, namespace := range r.scopes() {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		list, err := r.client.BatchV1().Jobs(namespace).List(call, metav1.ListOptions{LabelSelector: r.selector(w, found.Ref)})
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list jobs in namespace %q: %w", namespace, err)
		}
		for i := range list.Items {
			if found.UID == "" || string(list.Items[i].UID) == found.UID {
				jobs = append(jobs, &list.Items[i])
			}
		}
	}
	return jobs, nil
}

func (r *Runtime) selector(w *watcher, ref job.Ref) string {
	if w != nil {
		return refSelector(w.installation.String(), ref)
	}
	// A run id is unique among installations; the label of the installation only has to be there.
	return fmt.Sprintf("%s,%s=%s,%s=%d", manifest.LabelInstallation, manifest.LabelRunID, ref.RunID, manifest.LabelAttempt, ref.Attempt)
}

// conflicts is how often and how fast a release is tried again when somebody else changes the Job at the same time.
var conflicts = retry.DefaultBackoff

// release patches the Job. A stale copy is read anew first.
func (r *Runtime) release(ctx context.Context, j *batchv1.Job, stale bool) error {
	err := r.change(ctx, j, stale, r.patchReleased)
	if err != nil && !apierrors.IsNotFound(err) {
		r.metrics.released.WithLabelValues(resultFailed).Inc()
		return fmt.Errorf("take the finalizer off job %s/%s: %w", j.Namespace, j.Name, err)
	}
	if err != nil {
		r.metrics.released.WithLabelValues(resultAbsent).Inc()
	}
	r.settled(j)
	return nil
}

// change applies a change to a copy of the Job, read anew if it is stale and after a conflict. What the name stands for then
// may be another Job: make has to see to that.
func (r *Runtime) change(ctx context.Context, j *batchv1.Job, stale bool, make func(ctx context.Context, current *batchv1.Job, uid types.UID) error) error {
	current := j
	if stale {
		current = nil
	}
	return retry.OnError(conflicts, apierrors.IsConflict, func() error {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if current == nil {
			fresh, err := r.client.BatchV1().Jobs(j.Namespace).Get(call, j.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			current = fresh
		}
		err := make(call, current, j.UID)
		current = nil
		return err
	})
}

func (r *Runtime) patchReleased(ctx context.Context, j *batchv1.Job, uid types.UID) error {
	release, held := r.finalizers.Release(j)
	if j.UID != uid || !held {
		r.metrics.released.WithLabelValues(resultAbsent).Inc()
		return nil
	}
	change := map[string]any{"metadata": release}
	if ttl, ok := r.ttl(j); ok {
		change["spec"] = map[string]any{"ttlSecondsAfterFinished": ttl}
	}
	err := r.patch(ctx, j, change)
	if apierrors.IsInvalid(err) && change["spec"] != nil {
		delete(change, "spec") // whatever is wrong with the TTL, the finalizer goes
		err = r.patch(ctx, j, change)
	}
	if err == nil {
		r.metrics.released.WithLabelValues(resultReleased).Inc()
	}
	return err
}

func (r *Runtime) patch(ctx context.Context, j *batchv1.Job, change map[string]any) error {
	patch, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("write the patch: %w", err)
	}
	_, err = r.client.BatchV1().Jobs(j.Namespace).Patch(ctx, j.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "berth-worker"})
	return err
}

// ttl is how long the Job is kept after its end, in seconds: what the template asked for, kept in an annotation until
// now so that nothing is collected unread. A Job that has one, or is being deleted, needs none.
func (r *Runtime) ttl(j *batchv1.Job) (int32, bool) {
	if j.DeletionTimestamp != nil || j.Spec.TTLSecondsAfterFinished != nil {
		return 0, false
	}
	if seconds, err := strconv.ParseInt(j.Annotations[manifest.AnnotationTTL], 10, 32); err == nil && seconds >= 0 {
		return int32(seconds), true
	}
	return int32(r.options.Timing.TTL / time.Second), true
}
