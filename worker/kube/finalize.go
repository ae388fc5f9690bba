package kube

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/worker/job"
)

// Finalize takes our finalizers off a Job whose outcome is recorded, and sets its TTL. It waits until the Job
// has its final condition: before that the Job is never let go, whatever its pods look like. A Job that still
// runs is deleted: the server ended the attempt without us, or the Job was created after the attempt was given
// up. It may be repeated.
func (r *Runtime) Finalize(ctx context.Context, object job.Object) error {
	r.awaitOutput(ctx, object)
	err := r.forEachJob(ctx, object, func(j *batchv1.Job) error {
		left, err := r.remainsOf(ctx, object.Ref, j)
		switch {
		case err != nil:
			return err
		case left == remainsRunning:
			r.options.Log.Warn("job still runs after its attempt has ended, deleting it",
				"attempt", object.Ref.String(), "job", j.Namespace+"/"+j.Name)
			return r.jobs.DeleteAndFinalize(ctx, j)
		case left == remainsEnding:
			if j, err = r.awaitEnd(ctx, object.Ref, j); err != nil {
				return err
			}
		}
		return r.jobs.Finalize(ctx, j)
	})
	if err != nil {
		return fmt.Errorf("finalize attempt %s: %w", object.Ref, err)
	}
	return nil
}

// FinalizeUnknown takes our finalizers off a Job that the server does not know, and sets its TTL, whether it
// runs or not. It may be repeated.
func (r *Runtime) FinalizeUnknown(ctx context.Context, object job.Object) error {
	err := r.forEachJob(ctx, object, func(j *batchv1.Job) error { return r.jobs.Finalize(ctx, j) })
	if err != nil {
		return fmt.Errorf("finalize unknown attempt %s: %w", object.Ref, err)
	}
	return nil
}

// DeleteDuplicate deletes a Job that the server refused, with its pods, and finalizes it.
func (r *Runtime) DeleteDuplicate(ctx context.Context, object job.Object) error {
	jobs, err := r.findJobs(ctx, object)
	if err != nil {
		return fmt.Errorf("delete duplicate job of attempt %s: %w", object.Ref, err)
	}
	for _, j := range jobs {
		if err := r.jobs.DeleteAndFinalize(ctx, j); err != nil {
			return fmt.Errorf("delete duplicate job of attempt %s: %w", object.Ref, err)
		}
	}
	r.disownObject(object)
	return nil
}

// Drain deletes (or keeps) the installation's Jobs in the namespaces served and finalizes them. If it deletes
// them, it returns after they are gone. It needs nothing but the cluster, and may run beside Run.
func (r *Runtime) Drain(ctx context.Context, installation uuid.UUID, keep bool) (ended []job.Drained, err error) {
	var failed []error
	for _, namespace := range r.scopes() {
		some, err := r.jobs.Drain(ctx, namespace, installation.String(), keep)
		if err != nil {
			failed = append(failed, fmt.Errorf("drain namespace %q: %w", namespace, err))
		}
		ended = append(ended, some...)
	}
	return ended, errors.Join(failed...)
}

// Installations returns the sorted IDs of the installations that have Jobs in the namespaces served.
func (r *Runtime) Installations(ctx context.Context) ([]string, error) {
	return r.jobs.Installations(ctx, r.scopes())
}

// forEachJob changes every Job of the object, and then stops observing its attempt.
func (r *Runtime) forEachJob(
	ctx context.Context, object job.Object, change func(j *batchv1.Job) error,
) error {
	jobs, err := r.findJobs(ctx, object)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		r.jobs.Metrics.CountAbsent()
	}
	for _, j := range jobs {
		if err := change(j); err != nil {
			return err
		}
	}
	r.disownObject(object)
	return nil
}

// disownObject stops observing the attempt, unless it runs as another Job than the object.
func (r *Runtime) disownObject(object job.Object) {
	a := r.attempt(object.Ref)
	if a == nil {
		return
	}
	if uid := r.uidOf(a); object.UID == "" || uid == "" || string(uid) == object.UID {
		r.Disown(object.Ref)
	}
}
