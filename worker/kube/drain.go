package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Drain ends (or keeps) the installation's Jobs in the namespaces served and takes our finalizers off. Where
// they are ended it returns when they are gone. It needs nothing but the cluster, and may run beside Run.
func (r *Runtime) Drain(ctx context.Context, installation uuid.UUID, keep bool) error {
	var failed []error
	for _, namespace := range r.scopes() {
		if err := r.drain(ctx, namespace, installation, keep); err != nil {
			failed = append(failed, fmt.Errorf("drain namespace %q: %w", namespace, err))
		}
	}
	return errors.Join(failed...)
}

// drainers is how many Jobs a drain changes side by side: an uninstall has minutes for what may be ten
// thousand.
const drainers = 16

func (r *Runtime) drain(ctx context.Context, namespace string, installation uuid.UUID, keep bool) error {
	do := func(j *batchv1.Job) error { return r.remove(ctx, j) }
	if keep {
		do = func(j *batchv1.Job) error { return r.release(ctx, j, false) }
	}
	var failed failures
	err := r.eachPage(ctx, namespace, ofInstallation(installation), func(page []batchv1.Job) {
		r.options.Log.Info("draining", "namespace", namespace, "jobs", len(page), "keep", keep)
		var group errgroup.Group
		group.SetLimit(drainers)
		for i := range page {
			group.Go(func() error {
				failed.add(do(&page[i]))
				return nil
			})
		}
		_ = group.Wait() // what went wrong is among the failures
	})
	if err = errors.Join(err, failed.err()); err != nil || keep {
		return err
	}
	return r.awaitGone(ctx, namespace, installation)
}

// failures counts what went wrong and keeps the first few: there may be one for each of thousands.
type failures struct {
	mu    sync.Mutex
	count int
	first []error
}

const failuresShown = 5

func (f *failures) add(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; len(f.first) < failuresShown {
		f.first = append(f.first, err)
	}
}

func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if more := f.count - len(f.first); more > 0 {
		return errors.Join(append(slices.Clone(f.first), fmt.Errorf("and %d more", more))...)
	}
	return errors.Join(f.first...)
}

// remains are the Jobs that a drain waits for, and those that somebody else's finalizer holds: how many, and
// the first of them.
type remains struct {
	left, others int
	first, other string
}

// awaitGone returns when no Job of the installation is left, apart from those that somebody else's finalizer
// holds.
func (r *Runtime) awaitGone(ctx context.Context, namespace string, installation uuid.UUID) error {
	var now remains
	err := wait.PollUntilContextCancel(
		ctx,
		500*time.Millisecond,
		true,
		func(ctx context.Context) (bool, error) {
			before := now.left
			found, err := r.remains(ctx, namespace, installation)
			if err != nil {
				return false, err
			}
			if now = found; now.left > 0 && now.left != before {
				r.options.Log.Info(
					"waiting for jobs to go",
					"namespace",
					namespace,
					"left",
					now.left,
					"among them",
					now.first,
				)
			}
			return now.left == 0, nil
		},
	)
	if err != nil {
		return fmt.Errorf("wait for %d jobs to go (%s among them): %w", now.left, now.first, err)
	}
	if now.others > 0 {
		r.options.Log.Warn(
			"left to somebody else's finalizer",
			"namespace",
			namespace,
			"jobs",
			now.others,
			"among them",
			now.other,
		)
	}
	return nil
}

func (r *Runtime) remains(ctx context.Context, namespace string, installation uuid.UUID) (remains, error) {
	var now remains
	err := r.eachPage(ctx, namespace, ofInstallation(installation), func(page []batchv1.Job) {
		for i := range page {
			if r.finalizers.HeldByOthers(&page[i]) {
				now.others, now.other = now.others+1, page[i].Name
				continue
			}
			now.left, now.first = now.left+1, page[i].Name
		}
	})
	return now, err
}

func ofInstallation(installation uuid.UUID) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: installationSelector(installation), Limit: 500}
}

// eachPage goes through all that the options select, page by page: ten thousand whole Jobs need not fit into
// memory.
func (r *Runtime) eachPage(
	ctx context.Context,
	namespace string,
	options metav1.ListOptions,
	look func(page []batchv1.Job),
) error {
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := r.client.BatchV1().Jobs(namespace).List(call, options)
		cancel()
		if err != nil {
			return fmt.Errorf("list jobs: %w", hinted(err))
		}
		if len(page.Items) > 0 {
			look(page.Items)
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}
