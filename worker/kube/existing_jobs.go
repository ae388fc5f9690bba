package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// earlierAttemptError says that a Launch waits: two attempts of a run never run at the same time.
type earlierAttemptError struct{ job string }

func (e earlierAttemptError) Error() string {
	return fmt.Sprintf("waiting for Job %s of an earlier attempt to end", e.job)
}

// checkOtherJobs returns the Job that an earlier holder has created for this attempt, if there is one, and an
// earlierAttemptError if the Job of an earlier attempt may still run. It looks in all namespaces, because the
// template may have named another one then.
func (l *launch) checkOtherJobs(ctx context.Context) (*batchv1.Job, error) {
	if l.attempt.Attempt <= 1 && !l.attempt.MayExist {
		return nil, nil
	}
	jobs, err := l.jobsOfRun(ctx, l.manifest, l.attempt.RunID)
	if err != nil {
		return nil, fmt.Errorf("check earlier attempts: %w", err)
	}
	for i := range jobs {
		if j := &jobs[i]; l.attempt.MayExist && jobclient.SameAttempt(j, l.manifest) {
			return j, nil
		}
	}
	for i := range jobs {
		j := &jobs[i]
		ref, ok := jobclient.RefOf(j)
		if ok && ref.Attempt < l.attempt.Attempt && !observe.JobStopped(j) {
			return nil, earlierAttemptError{job: j.Namespace + "/" + j.Name}
		}
	}
	return nil, nil
}

// jobsOfRun lists the Jobs of the manifest's run in all namespaces served.
func (r *Runtime) jobsOfRun(ctx context.Context, m *batchv1.Job, run uuid.UUID) ([]batchv1.Job, error) {
	selector := jobclient.RunSelector(m.Labels[manifest.LabelInstallation], run)
	var all []batchv1.Job
	for _, namespace := range r.scopes() {
		jobs, err := r.listJobs(ctx, namespace, selector)
		if err != nil {
			return nil, err
		}
		all = append(all, jobs...)
	}
	return all, nil
}

// adoptExisting adopts the Job that has the attempt's name, if it belongs to the attempt.
func (l *launch) adoptExisting(ctx context.Context) (job.Launched, error) {
	call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	jobs := l.api.BatchV1().Jobs(l.manifest.Namespace)
	existing, err := jobs.Get(call, l.manifest.Name, metav1.GetOptions{})
	if err != nil {
		return job.Launched{}, fmt.Errorf("get job %s: %w", l.jobName(), err)
	}
	if !jobclient.SameAttempt(existing, l.manifest) {
		return job.Launched{}, &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"Job %s already exists and is %s: delete it if nothing needs it",
			l.jobName(), describeOwner(existing),
		)}
	}
	return l.launched(ctx, existing, true)
}

// describeOwner says whose Job it is.
func describeOwner(j *batchv1.Job) string {
	if installation := j.Labels[manifest.LabelInstallation]; installation != "" {
		return fmt.Sprintf("attempt %s of run %s of installation %s",
			j.Labels[manifest.LabelAttempt], j.Labels[manifest.LabelRunID], installation)
	}
	for _, reference := range j.OwnerReferences {
		return fmt.Sprintf("owned by %s %s", reference.Kind, reference.Name)
	}
	if manager := j.Labels["app.kubernetes.io/managed-by"]; manager != "" {
		return "managed by " + manager
	}
	return fmt.Sprintf("not Berth's (created %s)", j.CreationTimestamp.UTC().Format(time.RFC3339))
}
