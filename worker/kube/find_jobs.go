package kube

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// findJobs returns the Job with the object's UID, or all Jobs of the attempt if the UID is not known.
func (r *Runtime) findJobs(ctx context.Context, object job.Object) ([]*batchv1.Job, error) {
	r.mu.Lock()
	w := r.watcher
	var created *batchv1.Job
	if a := r.attempts[object.Ref]; a != nil && a.created != nil && string(a.created.UID) == object.UID {
		created = a.created
	}
	r.mu.Unlock()

	if w != nil && object.UID != "" {
		if j := w.jobWithUID(object.Ref, types.UID(object.UID)); j != nil {
			return []*batchv1.Job{j}, nil
		}
	}
	if created != nil {
		return []*batchv1.Job{created}, nil // the watch has not shown it yet
	}

	// Without a Run the installation is not known. The selector still identifies the attempt.
	installation := ""
	if w != nil {
		installation = w.installation.String()
	}
	var jobs []*batchv1.Job
	for _, namespace := range r.scopes() {
		list, err := r.listJobs(ctx, namespace, jobclient.AttemptSelector(installation, object.Ref))
		if err != nil {
			return nil, err
		}
		for i := range list {
			if object.UID == "" || string(list[i].UID) == object.UID {
				jobs = append(jobs, &list[i])
			}
		}
	}
	return jobs, nil
}

func (r *Runtime) listJobs(ctx context.Context, namespace, selector string) ([]batchv1.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	list, err := r.api.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list jobs in namespace %q: %w", namespace, err)
	}
	return list.Items, nil
}

// remains is what is left of a Job whose attempt is over.
type remains int

const (
	// remainsEnded: the Job has ended, or is being deleted. Kubernetes ends what is left of it.
	remainsEnded remains = iota
	// remainsEnding: its only pod has ended, and the Job controller has yet to say so.
	remainsEnding
	// remainsRunning: a pod of it runs, or may start yet.
	remainsRunning
)

// remainsOf reports what is left of a Job. The Job's own final condition says that it has ended, whatever its
// pods look like: a Job may make new pods. Copies suffice to show that; that something runs is believed only of
// the API server.
func (r *Runtime) remainsOf(ctx context.Context, ref job.Ref, j *batchv1.Job) (remains, error) {
	if observe.JobStopped(j) || j.DeletionTimestamp != nil {
		return remainsEnded, nil
	}
	single := observe.Snapshot{Job: j}.SinglePod()
	if w := r.running(); w != nil && single && allEnded(podsOfJob(w.podsOf(ref), j)) {
		return remainsEnding, nil
	}

	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	latest, err := r.api.BatchV1().Jobs(j.Namespace).Get(ctx, j.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return remainsEnded, nil
	case err != nil:
		return 0, fmt.Errorf("get job %s/%s: %w", j.Namespace, j.Name, err)
	case latest.UID != j.UID, observe.JobStopped(latest), latest.DeletionTimestamp != nil:
		return remainsEnded, nil
	}
	pods, err := r.listPodsOf(ctx, j)
	switch {
	case err != nil:
		return 0, err
	case single && allEnded(pods):
		return remainsEnding, nil
	}
	return remainsRunning, nil
}

// listPodsOf asks the API server for the pods of a Job.
func (r *Runtime) listPodsOf(ctx context.Context, j *batchv1.Job) ([]*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	options := metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(j.UID)}
	list, err := r.api.CoreV1().Pods(j.Namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list pods of job %s/%s: %w", j.Namespace, j.Name, err)
	}
	pods := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[i] = &list.Items[i]
	}
	return pods, nil
}

// allEnded is false if there are no pods.
func allEnded(pods []*corev1.Pod) bool { return len(pods) > 0 && !podstatus.AnyActive(pods) }
