package jobclient

import (
	"context"
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
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/finalizer"
)

// Finalize takes our finalizers off a Job, sets its TTL and labels it as released, in one patch. It may be repeated.
func (c *Client) Finalize(ctx context.Context, j *batchv1.Job) error {
	return c.finalize(ctx, j, j.DeletionTimestamp != nil)
}

// DeleteAndFinalize deletes a Job, its pods first, and takes our finalizers off, so that it does not wait for
// us. It may be repeated.
func (c *Client) DeleteAndFinalize(ctx context.Context, j *batchv1.Job) error {
	if err := c.DeleteForeground(ctx, j); err != nil {
		return err
	}
	return c.finalize(ctx, j, true)
}

// DeleteUnstarted deletes a suspended Job that has no pod yet, and takes our finalizers off. It reports whether the Job
// was resumed meanwhile; then nothing is done.
func (c *Client) DeleteUnstarted(ctx context.Context, j *batchv1.Job) (started bool, err error) {
	err = c.update(ctx, j, func(ctx context.Context, latest *batchv1.Job, uid types.UID) error {
		if latest.UID != uid {
			return nil
		}
		if started = latest.Spec.Suspend == nil || !*latest.Spec.Suspend || latest.Status.Active > 0; started {
			return nil
		}
		return c.API.BatchV1().Jobs(j.Namespace).Delete(ctx, j.Name, metav1.DeleteOptions{
			PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
			Preconditions:     &metav1.Preconditions{UID: &uid, ResourceVersion: &latest.ResourceVersion},
		})
	})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("delete job %s/%s: %w", j.Namespace, j.Name, err)
	case started:
		return true, nil
	}
	return false, c.finalize(ctx, j, true)
}

func (c *Client) finalize(ctx context.Context, j *batchv1.Job, deleted bool) error {
	takenOff, held := c.Finalizers.TakeOff(j)
	var err error
	if held {
		err = c.patchFinalized(ctx, j, takenOff, deleted)
	}
	switch {
	case !held, apierrors.IsNotFound(err):
		c.Metrics.count(resultAbsent)
	case err == nil:
		c.Metrics.count(resultReleased)
	default:
		c.Metrics.count(resultFailed)
		return fmt.Errorf("take the finalizer off job %s/%s: %w", j.Namespace, j.Name, err)
	}
	if c.Finalized != nil {
		c.Finalized(j)
	}
	return nil
}

// patchFinalized returns a NotFound error if the Job is gone, also if another one has its name.
func (c *Client) patchFinalized(ctx context.Context, j *batchv1.Job, takenOff finalizer.Change, deleted bool) error {
	takenOff["labels"] = map[string]string{manifest.LabelReleased: "true"}
	change := map[string]any{"metadata": takenOff}
	if ttl, ok := c.ttl(j); ok && !deleted {
		change["spec"] = map[string]any{"ttlSecondsAfterFinished": ttl}
	}
	// A patch conflicts only if the Job changes all the time.
	return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
		call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		defer cancel()
		err := c.patch(call, j, types.StrategicMergePatchType, change)
		if !apierrors.IsInvalid(err) {
			return err
		}
		// The UID is that of another Job, or the TTL is invalid; nothing may keep the finalizer on the Job.
		latest, read := c.API.BatchV1().Jobs(j.Namespace).Get(call, j.Name, metav1.GetOptions{})
		switch {
		case read != nil:
			return read
		case latest.UID != j.UID:
			return apierrors.NewNotFound(batchv1.Resource("jobs"), j.Name)
		case change["spec"] == nil:
			return err
		}
		delete(change, "spec")
		return c.patch(call, j, types.StrategicMergePatchType, change)
	})
}

// MinTTL is how long a Job is kept at least after its end. A create that left a worker shortly before its lease ended may
// take the API server's request timeout (a minute by default): until then the Job of that name has to exist.
const MinTTL = 2 * time.Minute

// ttl is how long the Job is kept after its end, in seconds. The template's TTL waits in an annotation until
// the Job is finalized, so that no Job is collected before its outcome is recorded. A Job that has a TTL, or
// is being deleted, needs none.
func (c *Client) ttl(j *batchv1.Job) (int32, bool) {
	if j.DeletionTimestamp != nil || j.Spec.TTLSecondsAfterFinished != nil {
		return 0, false
	}
	seconds, err := strconv.ParseInt(j.Annotations[manifest.AnnotationTTL], 10, 32)
	if err == nil && seconds >= 0 {
		return int32(max(seconds, int64(MinTTL/time.Second))), true
	}
	return int32(max(c.TTL, MinTTL) / time.Second), true
}

// ReplaceLegacyFinalizers replaces the finalizers of older releases on the Job by the current one. A Job that
// is gone is no error.
func (c *Client) ReplaceLegacyFinalizers(ctx context.Context, j *batchv1.Job) error {
	err := c.update(ctx, j, func(ctx context.Context, latest *batchv1.Job, uid types.UID) error {
		replaced, changed := c.Finalizers.ReplaceLegacy(latest)
		if !changed || latest.UID != uid {
			return nil
		}
		if err := c.patch(ctx, latest, types.MergePatchType, map[string]any{"metadata": replaced}); err != nil {
			return err
		}
		c.Metrics.count(resultReplaced)
		c.Log.Info("legacy finalizer replaced", "job", j.Namespace+"/"+j.Name, "now", replaced.Finalizers())
		return nil
	})
	switch {
	case apierrors.IsNotFound(err):
		c.Metrics.count(resultAbsent)
		return nil
	case err != nil:
		c.Metrics.count(resultFailed)
		return fmt.Errorf("replace the legacy finalizers of job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}
