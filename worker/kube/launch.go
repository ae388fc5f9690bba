package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
)

// Waits between tries of a launch: doubling from the first to the last, half of it random.
const (
	firstLaunchWait = 250 * time.Millisecond
	lastLaunchWait  = 15 * time.Second
)

// launch is one call of Launch.
type launch struct {
	*Runtime
	attempt  job.Attempt
	manifest *batchv1.Job
	// judged is true once the manifest of an earlier holder was found to comply.
	judged bool
	// mayExist is true once a create may have succeeded although its answer said otherwise or was lost.
	mayExist bool
	// created is the UID of the Job that this launch has created, and createdAt when.
	created   types.UID
	createdAt time.Time
	// secretMayExist is true once a create of the Secret may have succeeded.
	secretMayExist bool
}

func (l *launch) jobName() string { return l.manifest.Namespace + "/" + l.manifest.Name }

// Launch makes the Job exist exactly once. Its name is the same for every worker that tries, and an existing
// Job is adopted if it belongs to this attempt.
func (r *Runtime) Launch(ctx context.Context, a job.Attempt) (job.Launched, error) {
	placed, err := r.placeManifest(a)
	if err != nil {
		return job.Launched{}, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	r.launches[a.Ref] = launching{namespace: placed.Namespace, cancel: func() { cancel(errCancelled) }}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.launches, a.Ref)
		r.mu.Unlock()
		r.enqueue(a.Ref)
	}()

	l := launch{Runtime: r, attempt: a, manifest: placed}
	return l.run(ctx)
}

// Adopt observes an attempt whose Job was created earlier.
func (r *Runtime) Adopt(ctx context.Context, a job.Attempt) error {
	placed, err := r.placeManifest(a)
	if err != nil {
		return err
	}
	namespace := placed.Namespace
	if a.MayExist {
		jobs, err := r.jobsOfRun(ctx, placed, a.RunID)
		if err != nil {
			return fmt.Errorf("adopt attempt %s: %w", a.Ref, err)
		}
		for i := range jobs {
			if jobclient.SameAttempt(&jobs[i], placed) {
				namespace = jobs[i].Namespace
			}
		}
	}
	r.observe(a, namespace, placed.Name, nil)
	return nil
}

// placeManifest returns a copy of the manifest with its namespace, which this worker must serve.
func (r *Runtime) placeManifest(a job.Attempt) (*batchv1.Job, error) {
	if a.Manifest == nil {
		return nil, &job.Refused{
			Category: api.CategoryInvalid,
			Message:  fmt.Sprintf("attempt %s has no manifest", a.Ref),
		}
	}
	placed := a.Manifest.DeepCopy()
	if placed.Namespace == "" {
		placed.Namespace = r.config.Namespace
	}
	if !r.serves(placed.Namespace) {
		return nil, &job.Declined{Namespace: placed.Namespace, Message: fmt.Sprintf(
			"this worker does not serve namespace %q: start one with --watch-namespace %s, "+
				"or name another namespace in the template",
			placed.Namespace, placed.Namespace,
		)}
	}
	return placed, nil
}

var (
	errCancelled = errors.New("cancelled before the Job was created")
	// errLeaseLost leaves open whether there is a Job. The next holder of the lease will find it.
	errLeaseLost = errors.New("the lease was lost after a create whose answer was lost")
)

// run tries until the Job exists, can never exist, or ctx ends.
func (l *launch) run(ctx context.Context) (job.Launched, error) {
	wait := firstLaunchWait
	for {
		if err := l.decline(); err != nil {
			return job.Launched{}, err
		}
		launched, err := l.try(ctx)
		if err == nil {
			return launched, nil
		}
		// Neither a refused manifest nor a lost lease comes back by trying again here; the worker decides.
		var refused *job.Refused
		if errors.As(err, &refused) || errors.Is(err, job.ErrLeaseLost) || errors.Is(err, errLeaseLost) {
			return job.Launched{}, err
		}

		if errors.Is(err, errMadeAnew) {
			continue
		}
		l.explain(err)
		timer := time.NewTimer(max(wait/2+rand.N(wait/2+1), retryAfter(err)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return l.stop(ctx, err)
		}
		wait = min(2*wait, lastLaunchWait)
	}
}

// decline returns a *job.Declined while the worker has no access to the Job's namespace, if certainly nothing was
// created.
func (l *launch) decline() error {
	lost := l.lost(l.manifest.Namespace)
	if lost == nil || l.mayExist {
		return nil
	}
	return &job.Declined{Message: fmt.Sprintf(
		"this worker has no access to namespace %q: %v", l.manifest.Namespace, cluster.WithHint(lost))}
}

// retryAfter is the wait that the API server asks for.
func retryAfter(err error) time.Duration {
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// try creates the Job once. An error other than *job.Refused and the lost leases may pass by the next try.
func (l *launch) try(ctx context.Context) (job.Launched, error) {
	existing, err := l.checkOtherJobs(ctx)
	switch {
	case err != nil:
		return job.Launched{}, err
	case existing != nil:
		return l.launched(ctx, existing, true)
	}
	l.attempt.MayExist = false
	if err := l.judge(ctx); err != nil {
		return l.refuse(ctx, err)
	}
	// Checked last before the create: nothing may take time in between.
	if !l.attempt.HoldsLease() {
		if l.mayExist {
			return job.Launched{}, errLeaseLost
		}
		return job.Launched{}, job.ErrLeaseLost
	}

	if l.isQueued(l.manifest.Namespace) {
		manifest.DropExitCodeRule(l.manifest)
	}
	call, cancel := l.boundCreate(ctx)
	defer cancel()
	options := metav1.CreateOptions{FieldManager: jobclient.FieldManager}
	began := time.Now()
	created, err := l.api.BatchV1().Jobs(l.manifest.Namespace).Create(call, l.manifest, options)
	if ctx.Err() == nil {
		l.noteCreate(l.manifest.Namespace, err, began)
	}
	switch {
	case err == nil:
		if queued, err := l.requeue(ctx, created); queued {
			return job.Launched{}, err
		}
		l.created, l.createdAt = created.UID, time.Now()
		return l.launched(ctx, created, false)
	case apierrors.IsAlreadyExists(err):
		// The client repeats a request by itself after some errors, so this may be the Job
		// that this call created.
		l.mayExist = true
		return l.adoptExisting(ctx)
	}

	failure := cluster.ClassifyCreateError(err)
	if failure.Final {
		return job.Launched{}, &job.Refused{
			Category: failure.Category,
			Err:      err,
			Message:  fmt.Sprintf("the cluster rejects Job %s: %v", l.jobName(), cluster.WithHint(err)),
		}
	}
	l.mayExist = l.mayExist || mayHaveSucceeded(err)
	return job.Launched{}, fmt.Errorf("create job %s: %w", l.jobName(), err)
}

// boundCreate bounds the create: it ends with the lease, so that nothing is created under the lease of another worker.
// What has reached the API server by then ends within its request timeout, and Jobs are kept longer than that
// (jobclient.MinTTL), so their names still prevent a second one.
func (l *launch) boundCreate(ctx context.Context) (context.Context, context.CancelFunc) {
	ends := time.Now().Add(cluster.CallTimeout)
	if l.attempt.LeaseEnds != nil {
		if lease := l.attempt.LeaseEnds(); lease.Before(ends) {
			ends = lease
		}
	}
	return context.WithDeadline(ctx, ends)
}

// judge decides whether the Job may be created.
func (l *launch) judge(ctx context.Context) error {
	if err := l.guard.check(ctx, l.Runtime, l.manifest); err != nil {
		return err
	}
	if l.attempt.Judge == nil || l.judged {
		return nil
	}
	err := l.attempt.Judge(ctx)
	l.judged = err == nil
	return err
}

// refuse does not create the Job. One that exists was allowed before it was created, and is adopted.
func (l *launch) refuse(ctx context.Context, err error) (job.Launched, error) {
	if refused := new(job.Refused); !errors.As(err, &refused) {
		return job.Launched{}, err
	}
	launched, missing := l.adoptExisting(ctx)
	if apierrors.IsNotFound(missing) {
		return job.Launched{}, err
	}
	return launched, missing
}

// mayHaveSucceeded reports whether a request may have been carried out although it returned this error. Only
// a definite refusal of the API server excludes that.
func mayHaveSucceeded(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusRequestTimeout
}

// launched makes what the Job needs beside itself, and starts to observe it.
func (l *launch) launched(ctx context.Context, j *batchv1.Job, adopted bool) (job.Launched, error) {
	if l.attempt.Secret != nil && j.DeletionTimestamp == nil {
		if err := l.ensureSecret(ctx, j); err != nil {
			l.mayExist = true // the Job exists; only its Secret is missing
			return job.Launched{}, err
		}
	}
	l.observe(l.attempt, j.Namespace, j.Name, j)
	return job.Launched{
		Namespace: j.Namespace,
		Name:      j.Name,
		UID:       string(j.UID),
		Adopted:   adopted,
	}, nil
}

// collected is how long a Secret of an earlier Job with the same name may take to be garbage-collected.
const collected = 20 * time.Second

// ensureSecret makes the Secret of the Job, or takes the existing one for it. Secrets are not read, so whose it is
// follows from who could have made it: for a Job that this launch has just created, only an earlier Job of that name or
// someone else; for any other, whoever created the Job.
func (l *launch) ensureSecret(ctx context.Context, j *batchv1.Job) error {
	err := l.jobs.CreateSecret(ctx, j, *l.attempt.Secret)
	switch {
	case !apierrors.IsAlreadyExists(err):
		l.secretMayExist = l.secretMayExist || err != nil && mayHaveSucceeded(err)
		return err
	case j.UID != l.created, l.secretMayExist:
		return nil
	case time.Since(l.createdAt) < collected:
		return err
	}
	return &job.Refused{Category: api.CategoryInvalid, Err: err, Message: fmt.Sprintf(
		"secret %s/%s already exists and does not belong to this attempt: delete it if nothing needs it",
		j.Namespace, l.attempt.Secret.Name)}
}

// explain reports why the attempt is not launched yet.
func (l *launch) explain(err error) {
	l.options.Log.Warn("job not created, retrying",
		"attempt", l.attempt.Ref.String(), "job", l.jobName(), "error", cluster.WithHint(err))
	w := l.running()
	if w == nil {
		return
	}
	diagnosis := err.Error()
	if !errors.As(err, &earlierAttemptError{}) {
		diagnosis = fmt.Sprintf("the Job cannot be created yet, retrying: %v", cluster.WithHint(err))
	}
	w.handler.Observed(l.attempt.Ref, job.Observation{Phase: job.Pending, Diagnosis: diagnosis})
}

// stop is the result of a launch that was cancelled or has run out of time; err is the error of its last try.
func (l *launch) stop(ctx context.Context, err error) (job.Launched, error) {
	cause := context.Cause(ctx)
	cancelled := errors.Is(cause, errCancelled)
	refused := &job.Refused{
		Category: cluster.ClassifyCreateError(err).Category,
		Err:      err,
		Message: fmt.Sprintf(
			"the Job could not be created before the start deadline: %v", cluster.WithHint(err)),
	}
	switch {
	case cancelled:
		refused = &job.Refused{
			Category: api.CategoryCancelled, Err: errCancelled, Message: errCancelled.Error(),
		}
	case !errors.Is(cause, context.DeadlineExceeded):
		return job.Launched{}, fmt.Errorf("launch attempt %s: %w, after: %w", l.attempt.Ref, cause, err)
	}
	if !l.mayExist {
		return job.Launched{}, refused
	}

	// An answer was lost: the Job may exist, and then it has to be observed, or ended.
	launched, err := l.adoptExisting(context.WithoutCancel(ctx))
	switch {
	case apierrors.IsNotFound(err):
		return job.Launched{}, refused
	case err != nil:
		return job.Launched{}, fmt.Errorf("launch attempt %s: %w", l.attempt.Ref, err)
	case cancelled:
		return launched, l.Cancel(ctx, l.attempt.Ref)
	}
	return launched, nil
}
