package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Drain ends (or keeps) the installation's Jobs in the namespaces served and takes our finalizers off. Where they are
// ended it returns when they are gone. It needs nothing but the cluster, and may run beside Run.
func (r *Runtime) Drain(ctx context.Context, installation uuid.UUID, keep bool) error {
	var failed []error
	for _, namespace := range r.scopes() {
		if err := r.drain(ctx, namespace, installation, keep); err != nil {
			failed = append(failed, fmt.Errorf("drain namespace %q: %w", namespace, err))
		}
	}
	return errors.Join(failed...)
}

func (r *Runtime) drain(ctx context.Context, namespace string, installation uuid.UUID, keep bool) error {
	jobs, err := r.jobsOfInstallation(ctx, namespace, installation)
	if err != nil {
		return err
	}
	if len(jobs) > 0 {
		r.options.Log.Info("draining", "namespace", namespace, "jobs", len(jobs), "keep", keep)
	}
	var failed []error
	for i := range jobs {
		if keep {
			err = r.release(ctx, &jobs[i], false)
		} else {
			err = r.remove(ctx, &jobs[i])
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 || keep {
		return errors.Join(failed...)
	}
	return r.awaitGone(ctx, namespace, installation)
}

// awaitGone returns when no Job of the installation is left, apart from those that somebody else's finalizer holds.
func (r *Runtime) awaitGone(ctx context.Context, namespace string, installation uuid.UUID) error {
	var left, others []string
	err := wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		jobs, err := r.jobsOfInstallation(ctx, namespace, installation)
		if err != nil {
			return false, err
		}
		before := len(left)
		left, others = left[:0], others[:0]
		for _, j := range jobs {
			if r.finalizers.HeldByOthers(&j) {
				others = append(others, j.Name)
				continue
			}
			left = append(left, j.Name)
		}
		if len(left) > 0 && len(left) != before {
			r.options.Log.Info("waiting for jobs to go", "namespace", namespace, "left", len(left), "among them", left[0])
		}
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d jobs to go (%.3v): %w", len(left), left, err)
	}
	if len(others) > 0 {
		r.options.Log.Warn("left to somebody else's finalizer", "namespace", namespace, "jobs", len(others), "among them", others[0])
	}
	return nil
}

func (r *Runtime) jobsOfInstallation(ctx context.Context, namespace string, installation uuid.UUID) ([]batchv1.Job, error) {
	return r.jobs(ctx, namespace, metav1.ListOptions{LabelSelector: installationSelector(installation), Limit: 500})
}

// jobs lists all that the options select, page by page.
func (r *Runtime) jobs(ctx context.Context, namespace string, options metav1.ListOptions) ([]batchv1.Job, error) {
	var jobs []batchv1.Job
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := r.client.BatchV1().Jobs(namespace).List(call, options)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", hinted(err))
		}
		jobs = append(jobs, page.Items...)
		if options.Continue = page.Continue; options.Continue == "" {
			return jobs, nil
		}
	}
}
