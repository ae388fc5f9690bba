package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// Finalize takes our finalizers off a Job and sets its TTL, in one patch. A Job that runs although its attempt
// is over is deleted: the server ended the attempt without us, or the Job came to be after it was given up.
// It is safe to repeat.
func (r *Runtime) Finalize(ctx context.Context, found job.Object) error {
	r.waitForOutput(ctx, found)
	err := r.letGo(ctx, found, func(j *batchv1.Job) error {
		running, err := r.mayRun(ctx, found.Ref, j)
		switch {
		case err != nil:
			return err
		case running:
			r.options.Log.Warn(
				"a job runs although its attempt is over: deleting it",
				"attempt",
				found.Ref.String(),
				"job",
				j.Namespace+"/"+j.Name,
			)
			return r.remove(ctx, j)
		}
		return r.release(ctx, j, false)
	})
	if err != nil {
		return fmt.Errorf("release attempt %s: %w", found.Ref, err)
	}
	return nil
}

// FinalizeUnknown takes our finalizers off a Job and sets its TTL, whatever it does. It is safe to repeat.
func (r *Runtime) FinalizeUnknown(ctx context.Context, found job.Object) error {
	if err := r.letGo(ctx, found, func(j *batchv1.Job) error { return r.release(ctx, j, false) }); err != nil {
		return fmt.Errorf("disown attempt %s: %w", found.Ref, err)
	}
	return nil
}

// letGo does something to the Jobs that are meant, and looks after them no more.
func (r *Runtime) letGo(ctx context.Context, found job.Object, do func(j *batchv1.Job) error) error {
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

// forgetReleased stops observing the attempt, unless it is another Job that was released.
func (r *Runtime) forgetReleased(found job.Object) {
	t := r.trackedOf(found.Ref)
	if t == nil {
		return
	}
	if uid := r.uidOf(t); found.UID == "" || uid == "" || string(uid) == found.UID {
		r.Disown(found.Ref)
	}
}

// DeleteDuplicate deletes a Job that lost the race for its attempt, with its pods, and releases it.
func (r *Runtime) DeleteDuplicate(ctx context.Context, found job.Object) error {
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

// conflicts is how often and how fast a release is tried again when somebody else changes the Job at the same
// time.
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

// change applies a change to a copy of the Job, read anew if it is stale and after a conflict. What the name
// stands for then may be another Job: make has to see to that.
func (r *Runtime) change(
	ctx context.Context,
	j *batchv1.Job,
	stale bool,
	make func(ctx context.Context, current *batchv1.Job, uid types.UID) error,
) error {
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
	_, err = r.client.BatchV1().
		Jobs(j.Namespace).
		Patch(ctx, j.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "berth-worker"})
	return err
}

// ttl is how long the Job is kept after its end, in seconds: what the template asked for, kept in an
// annotation until now so that nothing is collected unread. A Job that has one, or is being deleted, needs
// none.
func (r *Runtime) ttl(j *batchv1.Job) (int32, bool) {
	if j.DeletionTimestamp != nil || j.Spec.TTLSecondsAfterFinished != nil {
		return 0, false
	}
	if seconds, err := strconv.ParseInt(j.Annotations[manifest.AnnotationTTL], 10, 32); err == nil &&
		seconds >= 0 {
		return int32(seconds), true
	}
	return int32(r.options.Timing.TTL / time.Second), true
}
