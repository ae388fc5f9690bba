package jobclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// Drain deletes (or keeps) the installation's Jobs in a namespace and finalizes them. If it deletes them, it
// returns after they are gone. It needs nothing but the cluster. It returns those of the Jobs it has deleted that had not
// ended.
func (c *Client) Drain(
	ctx context.Context, namespace, installation string, keep bool,
) (ended []job.Drained, err error) {
	drainJob := c.DeleteAndFinalize
	if keep {
		drainJob = c.Finalize
	}
	selector := InstallationSelector(installation)
	var failed failures
	err = c.eachPage(ctx, namespace, selector, func(page []batchv1.Job) {
		c.Log.Info("draining jobs", "namespace", namespace, "jobs", len(page), "keep", keep)
		errs := drainPage(ctx, page, drainJob)
		for i := range page {
			if d, ok := unended(&page[i]); ok && !keep && errs[i] == nil {
				ended = append(ended, d)
			}
		}
		failed.addAll(slices.DeleteFunc(errs, func(err error) bool { return err == nil }))
	})
	if err = errors.Join(err, failed.err()); err != nil || keep {
		return ended, err
	}
	return ended, c.awaitDeleted(ctx, namespace, selector)
}

// unended returns the attempt of a Job that has no final condition.
func unended(j *batchv1.Job) (job.Drained, bool) {
	ref, ok := RefOf(j)
	final := slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
	})
	return job.Drained{Ref: ref, Pool: j.Labels[manifest.LabelPool], UID: string(j.UID)}, ok && !final
}

// drainConcurrency is how many Jobs are drained at once: an uninstall has minutes for what may be ten
// thousand.
const drainConcurrency = 16

// drainPage drains every Job of a page, whatever happens to the others, and returns the error of each, or nil.
func drainPage(
	ctx context.Context, page []batchv1.Job, drainJob func(context.Context, *batchv1.Job) error,
) []error {
	errs := make([]error, len(page))
	var group errgroup.Group
	group.SetLimit(drainConcurrency)
	for i := range page {
		group.Go(func() error {
			errs[i] = drainJob(ctx, &page[i])
			return nil
		})
	}
	_ = group.Wait() // always nil: each Job's error is in errs
	return errs
}

// failures counts errors and keeps the first few: there may be thousands.
type failures struct {
	count int
	first []error
}

const failuresShown = 5

func (f *failures) addAll(errs []error) {
	f.count += len(errs)
	f.first = append(f.first, errs[:min(len(errs), failuresShown-len(f.first))]...)
}

func (f *failures) err() error {
	if more := f.count - len(f.first); more > 0 {
		return errors.Join(append(slices.Clone(f.first), fmt.Errorf("and %d more", more))...)
	}
	return errors.Join(f.first...)
}

// remaining are the Jobs that still exist, with one of them as an example.
type remaining struct {
	ours       int // that only Kubernetes still has to delete
	foreign    int // that another finalizer holds
	example    string
	foreignJob string
}

// awaitDeleted returns when no selected Job is left, apart from Jobs that another finalizer holds.
func (c *Client) awaitDeleted(ctx context.Context, namespace, selector string) error {
	var left remaining
	const interval = 500 * time.Millisecond
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		now, err := c.remaining(ctx, namespace, selector)
		if err != nil {
			return false, err
		}
		changed := now.ours != left.ours
		left = now
		if left.ours > 0 && changed {
			c.Log.Info("waiting for jobs to be deleted",
				"namespace", namespace, "left", left.ours, "example", left.example)
		}
		return left.ours == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d jobs to be deleted, %s among them: %w", left.ours, left.example, err)
	}
	if left.foreign > 0 {
		c.Log.Warn("jobs stay because of a finalizer that is not Berth's",
			"namespace", namespace, "jobs", left.foreign, "example", left.foreignJob)
	}
	return nil
}

func (c *Client) remaining(ctx context.Context, namespace, selector string) (remaining, error) {
	var left remaining
	err := c.eachPage(ctx, namespace, selector, func(page []batchv1.Job) {
		for i := range page {
			if c.Finalizers.HeldByOthers(&page[i]) {
				left.foreign, left.foreignJob = left.foreign+1, page[i].Name
				continue
			}
			left.ours, left.example = left.ours+1, page[i].Name
		}
	})
	return left, err
}
