package kube

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// gate has a Job created suspended, unless suspending it is somebody else's business.
func gate(j *batchv1.Job) {
	_, queued := j.Labels[manifest.LabelKueueQueue]
	managed := j.Spec.ManagedBy != nil && *j.Spec.ManagedBy != batchv1.JobControllerName
	if queued || managed || (j.Spec.Suspend != nil && *j.Spec.Suspend) {
		return
	}
	j.Spec.Suspend = new(true)
	j.Annotations[observe.AnnotationGate] = "waiting for the server to record this Job"
}

// Grant lets a gated Job run.
func (r *Runtime) Grant(ctx context.Context, found job.Object) error {
	jobs, err := r.locate(ctx, found)
	if err != nil {
		return fmt.Errorf("grant attempt %s: %w", found.Ref, err)
	}
	for _, j := range jobs {
		err := r.change(ctx, j, false, r.open)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("let job %s/%s run: %w", j.Namespace, j.Name, err)
		}
	}
	return nil
}

// open takes the gate away; the UID is the condition for that.
func (r *Runtime) open(ctx context.Context, current *batchv1.Job, uid types.UID) error {
	if current.UID != uid || !observe.Gated(current) || current.DeletionTimestamp != nil {
		return nil
	}
	return r.patch(ctx, current, map[string]any{
		"metadata": map[string]any{"uid": uid, "annotations": map[string]any{observe.AnnotationGate: nil}},
		"spec":     map[string]any{"suspend": false},
	})
}
