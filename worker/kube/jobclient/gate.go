package jobclient

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// Gate changes a manifest so that the Job is created suspended, unless someone else decides when it is
// suspended: Kueue, another controller, or the template.
func Gate(j *batchv1.Job) {
	_, queued := j.Labels[manifest.LabelKueueQueue]
	managed := j.Spec.ManagedBy != nil && *j.Spec.ManagedBy != batchv1.JobControllerName
	if queued || managed || (j.Spec.Suspend != nil && *j.Spec.Suspend) {
		return
	}
	j.Spec.Suspend = new(true)
	// The value is for people who look at the Job.
	j.Annotations[observe.AnnotationGate] = "suspended until the server has recorded this Job"
}

// OpenGate lets a gated Job run. A Job that is gone, or not gated, is no error.
func (c *Client) OpenGate(ctx context.Context, j *batchv1.Job) error {
	err := c.update(ctx, j, true, func(ctx context.Context, latest *batchv1.Job, uid types.UID) error {
		if latest.UID != uid || !observe.Gated(latest) || latest.DeletionTimestamp != nil {
			return nil
		}
		annotations := map[string]any{observe.AnnotationGate: nil}
		return c.patch(ctx, latest, map[string]any{
			"metadata": map[string]any{"uid": uid, "annotations": annotations},
			"spec":     map[string]any{"suspend": false},
		})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("resume gated job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}
