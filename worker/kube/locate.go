package kube

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// mayRun reports whether a pod of the Job runs, or may come to. What the copies show of an end is enough;
// that something runs is believed of the API server alone. Of a Job that is being deleted, Kubernetes ends
// what is left.
func (r *Runtime) mayRun(ctx context.Context, ref job.Ref, j *batchv1.Job) (bool, error) {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	plain := observe.Snapshot{Job: j}.SinglePod()
	if w != nil && plain && allEnded(ofJob(w.podsOf(ref), j)) {
		return false, nil
	}
	if observe.JobStopped(j) || j.DeletionTimestamp != nil {
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
	case current.UID != j.UID, observe.JobStopped(current), current.DeletionTimestamp != nil:
		return false, nil
	}
	list, err := r.client.CoreV1().
		Pods(j.Namespace).
		List(call, metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(j.UID)})
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
	return len(pods) > 0 && !podstatus.AnyActive(pods)
}

// locate finds the Jobs that are meant: the one with the UID, or where that is not known, those of the
// attempt.
func (r *Runtime) locate(ctx context.Context, found job.Object) ([]*batchv1.Job, error) {
	r.mu.Lock()
	w := r.watcher
	var fresh *batchv1.Job // a Job that the watch has not shown yet is not looked for among all others
	if t := r.tracked[found.Ref]; t != nil && t.fresh != nil && string(t.fresh.UID) == found.UID {
		fresh = t.fresh
	}
	r.mu.Unlock()
	if w != nil && found.UID != "" {
		if j := w.jobWithUID(found.Ref, types.UID(found.UID)); j != nil {
			return []*batchv1.Job{j}, nil
		}
	}
	if fresh != nil {
		return []*batchv1.Job{fresh}, nil
	}
	var jobs []*batchv1.Job
	for _, namespace := range r.scopes() {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		list, err := r.client.BatchV1().
			Jobs(namespace).
			List(call, metav1.ListOptions{LabelSelector: r.selector(w, found.Ref)})
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
	return fmt.Sprintf(
		"%s,%s=%s,%s=%d",
		manifest.LabelInstallation,
		manifest.LabelRunID,
		ref.RunID,
		manifest.LabelAttempt,
		ref.Attempt,
	)
}
