package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// errMadeAnew says that a launch goes on with the same manifest less one rule.
var errMadeAnew = errors.New("a queue manages the Jobs of the namespace: the Job is made anew for it")

// isQueued reports whether the Jobs of a namespace are known to be managed by a queue that their templates do not name.
func (r *Runtime) isQueued(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queued[namespace]
}

// requeue looks at what came back from a create. If it is suspended, or has a queue, without our asking, an admission
// webhook has put the Job into a queue (a default LocalQueue of Kueue, or manageJobsWithoutQueueName): it may be
// suspended while it runs, and a process may end with any exit code then, for which the rule on exit codes would fail the
// Job. So the Job is made anew without that rule, and later ones of the namespace have none from the start. It reports
// false if the Job can stay as it is.
func (l *launch) requeue(ctx context.Context, created *batchv1.Job) (bool, error) {
	if !intoQueue(l.manifest, created) || !manifest.DropExitCodeRule(l.manifest) {
		return false, nil
	}
	l.mu.Lock()
	l.queued[created.Namespace] = true
	l.mu.Unlock()
	started, err := l.jobs.DeleteUnstarted(ctx, created)
	switch {
	case err != nil:
		l.mayExist = true
		return true, fmt.Errorf("make job %s anew: %w", l.jobName(), err)
	case started:
		return false, nil // the queue was faster; another attempt follows if it preempts this one
	}
	if err := l.awaitGone(ctx, created); err != nil {
		l.mayExist = true
		return true, err
	}
	l.mayExist = false
	return true, errMadeAnew
}

// intoQueue reports whether a Job came back from a create in a queue that it was not sent with.
func intoQueue(sent, created *batchv1.Job) bool {
	return created.Labels[manifest.LabelKueueQueue] != sent.Labels[manifest.LabelKueueQueue] ||
		created.Spec.Suspend != nil && *created.Spec.Suspend
}

// goneTimeout is for how long a deleted Job may keep its name.
const goneTimeout = 20 * time.Second

// awaitGone waits until the name of a deleted Job is free.
func (l *launch) awaitGone(ctx context.Context, j *batchv1.Job) error {
	ctx, cancel := context.WithTimeout(ctx, min(goneTimeout, cluster.CallTimeout))
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		left, err := l.api.BatchV1().Jobs(j.Namespace).Get(ctx, j.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && left.UID != j.UID {
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("job %s is being deleted: %w", l.jobName(), err)
	}
	return nil
}
