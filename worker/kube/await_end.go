package kube

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// awaitEnd waits until the watch shows that the Job has ended or is being deleted, and returns it as it is
// then. The Job controller says so about a second after the pod has ended, later where it has much to do.
func (r *Runtime) awaitEnd(ctx context.Context, ref job.Ref, j *batchv1.Job) (*batchv1.Job, error) {
	w := r.running()
	if w == nil {
		return nil, fmt.Errorf("job %s/%s has no final condition yet", j.Namespace, j.Name)
	}
	for {
		changed := r.awaitChange(j.UID)
		latest := w.jobWithUID(ref, j.UID)
		if latest == nil { // gone, or not shown yet
			left, err := r.remainsOf(ctx, ref, j)
			if err != nil || left == remainsEnded {
				return j, err
			}
		} else if observe.JobStopped(latest) || latest.DeletionTimestamp != nil {
			return latest, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("job %s/%s has no final condition yet: %w", j.Namespace, j.Name, ctx.Err())
		case <-w.ctx.Done():
			return nil, fmt.Errorf("job %s/%s has no final condition yet: %w", j.Namespace, j.Name, w.ctx.Err())
		}
	}
}

// awaitChange returns a channel that is closed when the watch shows a change of the Job.
func (r *Runtime) awaitChange(uid types.UID) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, ok := r.jobWaiters[uid]
	if !ok {
		changed = make(chan struct{})
		r.jobWaiters[uid] = changed
	}
	return changed
}

// jobChanged wakes who waits for a change of the Job.
func (r *Runtime) jobChanged(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if changed, ok := r.jobWaiters[uid]; ok {
		close(changed)
		delete(r.jobWaiters, uid)
	}
}
