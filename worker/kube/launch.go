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
	"github.com/berth-dev/berth/worker/kube/observe"
)

// Waits between tries of a launch: doubling from the first to the last, with half of it at random.
const (
	firstWait = 250 * time.Millisecond
	lastWait  = 15 * time.Second
)

// launch is one call of Launch.
type launch struct {
	*Runtime
	attempt   job.Attempt
	manifest  *batchv1.Job
	ambiguous bool // a create may have worked although its answer says otherwise
}

// Launch makes the Job exist exactly once: its name is the same for everyone who tries, and a Job that is
// there already is adopted if it is this attempt's.
func (r *Runtime) Launch(ctx context.Context, a job.Attempt) (job.Launched, error) {
	placed, err := r.placed(a)
	if err != nil {
		return job.Launched{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	r.launches[a.Ref] = func() { cancel(errCancelled) }
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.launches, a.Ref)
		r.mu.Unlock()
		r.wake(a.Ref)
	}()
	if r.options.Gated {
		gate(placed)
	}
	l := launch{Runtime: r, attempt: a, manifest: placed}
	return l.run(ctx)
}

var errCancelled = errors.New("cancelled before the Job was created")

// placed returns a copy of the manifest with its namespace, which has to be one that is served.
func (r *Runtime) placed(a job.Attempt) (*batchv1.Job, error) {
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
		return nil, &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"namespace %q is not served by this worker; start one with --watch-namespace %s, or name another namespace in the template",
			placed.Namespace,
			placed.Namespace,
		)}
	}
	return placed, nil
}

func (l *launch) run(ctx context.Context) (job.Launched, error) {
	wait := firstWait
	for {
		launched, err := l.try(ctx)
		if err == nil {
			return launched, nil
		}
		var refused *job.Refused
		if errors.As(err, &refused) || errors.Is(err, job.ErrLeaseLost) || errors.Is(err, errLeaseLost) {
			return job.Launched{}, err
		}
		l.explain(err)
		pause := max(wait/2+rand.N(wait/2+1), retryAfter(err))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return l.givenUp(ctx, err)
		}
		wait = min(2*wait, lastWait)
	}
}

// try creates the Job once. An error that is neither *job.Refused nor ErrLeaseLost may be gone the next time.
func (l *launch) try(ctx context.Context) (job.Launched, error) {
	if err := l.earlierEnded(ctx); err != nil {
		return job.Launched{}, err
	}
	if !l.attempt.HoldsLease() {
		if l.ambiguous {
			return job.Launched{}, errLeaseLost
		}
		return job.Launched{}, job.ErrLeaseLost
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	created, err := l.client.BatchV1().
		Jobs(l.manifest.Namespace).
		Create(call, l.manifest, metav1.CreateOptions{FieldManager: "berth-worker"})
	switch {
	case err == nil:
		return l.launched(ctx, created, false)
	case apierrors.IsAlreadyExists(err):
		return l.adopt(ctx)
	}
	verdict := judge(err)
	if verdict.final {
		return job.Launched{}, &job.Refused{
			Category: verdict.category,
			Err:      err,
			Message:  fmt.Sprintf("the cluster refuses the Job: %v (%s)", err, verdict.hint),
		}
	}
	l.ambiguous = l.ambiguous || leavesOpen(err)
	return job.Launched{}, fmt.Errorf("create job %s/%s: %w", l.manifest.Namespace, l.manifest.Name, err)
}

// leavesOpen reports whether what was asked for may have been done although this is the answer: only a plain
// no is certain.
func leavesOpen(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusRequestTimeout
}

// errLeaseLost leaves open whether there is a Job; whoever holds the lease now will find it.
var errLeaseLost = errors.New("the lease was lost after a create whose answer was lost")

// adopt looks whose the Job is that has the attempt's name.
func (l *launch) adopt(ctx context.Context) (job.Launched, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	there, err := l.client.BatchV1().
		Jobs(l.manifest.Namespace).
		Get(call, l.manifest.Name, metav1.GetOptions{})
	if err != nil {
		return job.Launched{}, fmt.Errorf(
			"look whose job %s/%s is: %w",
			l.manifest.Namespace,
			l.manifest.Name,
			err,
		)
	}
	if !sameAttempt(there, l.manifest) {
		return job.Launched{}, &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"the name %s/%s is taken by %s; delete that Job if nobody needs it",
			there.Namespace,
			there.Name,
			owner(there),
		)}
	}
	return l.launched(ctx, there, true)
}

// launched sees to it that the Job has what it needs, and begins to observe it.
func (l *launch) launched(ctx context.Context, j *batchv1.Job, adopted bool) (job.Launched, error) {
	if j.DeletionTimestamp == nil {
		if err := l.sealed(ctx, j, l.attempt.Secret); err != nil {
			l.ambiguous = true // there is a Job, and this call has not failed for good
			return job.Launched{}, err
		}
	}
	l.track(l.attempt, j.Namespace, j.Name, j)
	return job.Launched{
		Namespace: j.Namespace,
		Name:      j.Name,
		UID:       string(j.UID),
		Adopted:   adopted,
		Gated:     observe.Gated(j),
	}, nil
}

// owner says whose a Job is.
func owner(j *batchv1.Job) string {
	if installation := j.Labels[manifest.LabelInstallation]; installation != "" {
		return fmt.Sprintf(
			"a Job of installation %s, run %s, attempt %s",
			installation,
			j.Labels[manifest.LabelRunID],
			j.Labels[manifest.LabelAttempt],
		)
	}
	for _, reference := range j.OwnerReferences {
		return fmt.Sprintf("a Job of %s %s", reference.Kind, reference.Name)
	}
	if manager := j.Labels["app.kubernetes.io/managed-by"]; manager != "" {
		return "a Job managed by " + manager
	}
	return fmt.Sprintf("somebody else's Job, created %s", j.CreationTimestamp.UTC().Format(time.RFC3339))
}

// explain tells why the attempt has not been launched yet.
func (l *launch) explain(err error) {
	l.options.Log.Warn(
		"job could not be created, trying again",
		"attempt",
		l.attempt.Ref.String(),
		"error",
		hinted(err),
	)
	h := l.handler()
	if h == nil {
		return
	}
	diagnosis := fmt.Sprintf("the Job is not created yet: %v", err)
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		diagnosis = fmt.Sprintf("the Job can not be created yet: %v", hinted(err))
	}
	h.Observed(l.attempt.Ref, job.Observation{Phase: job.Pending, Diagnosis: diagnosis})
}

// givenUp is the result of a launch that was cancelled, or whose time is over.
func (l *launch) givenUp(ctx context.Context, err error) (job.Launched, error) {
	cause := context.Cause(ctx)
	verdict := judge(err)
	refused := &job.Refused{
		Category: verdict.category,
		Err:      err,
		Message:  fmt.Sprintf("the Job could not be created in time: %v", hinted(err)),
	}
	cancelled := errors.Is(cause, errCancelled)
	switch {
	case cancelled:
		refused = &job.Refused{Category: api.CategoryCancelled, Err: errCancelled, Message: errCancelled.Error()}
	case !errors.Is(cause, context.DeadlineExceeded):
		return job.Launched{}, fmt.Errorf("launch attempt %s: %w, after: %w", l.attempt.Ref, cause, err)
	}
	if !l.ambiguous {
		return job.Launched{}, refused
	}
	launched, err := l.adopt(context.WithoutCancel(ctx))
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

func retryAfter(err error) time.Duration {
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// Adopt begins to observe an attempt whose Job was created earlier.
func (r *Runtime) Adopt(_ context.Context, a job.Attempt) error {
	placed, err := r.placed(a)
	if err != nil {
		return err
	}
	r.track(a, placed.Namespace, placed.Name, nil)
	return nil
}

// uidOf is the UID of the attempt's Job as far as it is known.
func (r *Runtime) uidOf(t *tracked) types.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.uid
}
