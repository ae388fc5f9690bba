package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/dryrun"
	"github.com/berth-dev/berth/worker/kube/jobclient"
)

// maxWarnings bounds the warnings about one object.
const maxWarnings = 50

// DryRun sends the API server what Launch would create, and the first pod that the Job would make, with dryRun=All. Nothing
// is created. What comes after a refused object is not asked about.
func (r *Runtime) DryRun(ctx context.Context, a job.Attempt) (job.DryRun, error) {
	placed, err := r.placeManifest(a)
	if err != nil {
		return job.DryRun{}, err
	}
	d := &dryRun{Runtime: r, answer: job.DryRun{Namespace: placed.Namespace}}
	if err := r.lost(placed.Namespace); err != nil {
		return d.answer, &job.Declined{Message: fmt.Sprintf("this worker has no access to namespace %q: %v",
			placed.Namespace, cluster.WithHint(err))}
	}
	if err := r.guard.check(ctx, r, placed); err != nil {
		return d.answer, err
	}

	created, err := d.job(ctx, placed)
	if err != nil {
		return d.answer, err
	}
	if a.Secret != nil {
		d.secret(ctx, created, placed, *a.Secret)
	}
	return d.answer, d.pod(ctx, created)
}

// dryRun is one dry run.
type dryRun struct {
	*Runtime
	answer job.DryRun
}

// job asks about the Job, without the rule on exit codes where a queue would have it made anew without (requeue). It
// returns the Job as the API server has completed it; nil if it is not accepted.
func (d *dryRun) job(ctx context.Context, placed *batchv1.Job) (*batchv1.Job, error) {
	if d.isQueued(placed.Namespace) {
		manifest.DropExitCodeRule(placed)
	}
	create := func(ctx context.Context) (*batchv1.Job, error) {
		return d.api.BatchV1().Jobs(placed.Namespace).Create(ctx, placed, dryRunOptions())
	}
	created, object, err := tryCreate(ctx, placed, create)
	if err == nil && created != nil && intoQueue(placed, created) && manifest.DropExitCodeRule(placed) {
		created, object, err = tryCreate(ctx, placed, create)
	}
	if err != nil {
		return nil, err
	}
	object.Kind = api.DryRunJob
	d.answer.Objects = append(d.answer.Objects, object)
	return created, nil
}

// secret asks about the Secret of the attempt. Its data is not part of the answer.
func (d *dryRun) secret(ctx context.Context, created, placed *batchv1.Job, secret job.Secret) {
	object := skipped(api.DryRunSecret)
	if created != nil {
		call, warnings := cluster.CollectWarnings(ctx)
		err := d.jobs.DryRunSecret(call, created, secret)
		object = judged(err, warnings)
		object.Kind = api.DryRunSecret
	}
	d.answer.Objects = append(d.answer.Objects, object)
}

// pod asks about the first pod of the Job.
func (d *dryRun) pod(ctx context.Context, created *batchv1.Job) error {
	if created == nil {
		d.answer.Objects = append(d.answer.Objects, skipped(api.DryRunPod))
		return nil
	}
	pod := dryrun.PodOf(created)
	_, object, err := tryCreate(ctx, pod, func(ctx context.Context) (any, error) {
		return d.api.CoreV1().Pods(pod.Namespace).Create(ctx, pod, dryRunOptions())
	})
	if err != nil {
		return err
	}
	object.Kind = api.DryRunPod
	if object.Outcome == api.DryRunOutcomeForbidden {
		text := "the pod was not tried, so that nothing is known of resource quotas, limit ranges, Pod Security and admission " +
			"of pods: the worker may not create pods (Helm: worker.dryRunPods=true)"
		object.Message = &text
	}
	d.answer.Objects = append(d.answer.Objects, object)
	return nil
}

func dryRunOptions() metav1.CreateOptions {
	return metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: jobclient.FieldManager}
}

// tryCreate makes one request and says what came of it. The error is not the API server's.
func tryCreate[T any](
	ctx context.Context, sent any, create func(context.Context) (T, error),
) (created T, object api.ObjectDryRun, err error) {
	call, warnings := cluster.CollectWarnings(ctx)
	created, refused := create(call)
	object = judged(refused, warnings)
	if refused != nil {
		var none T
		return none, object, nil
	}
	changes, err := dryrun.Compare(sent, created)
	if err != nil {
		return created, object, err
	}
	object.Changes = append(object.Changes, changes.List...)
	if changes.Defaults > 0 {
		n := int32(changes.Defaults)
		object.Defaults = &n
	}
	if changes.LeftOut > 0 {
		text := fmt.Sprintf("%d more changes are not listed", changes.LeftOut)
		object.Message = &text
	}
	return created, object, nil
}

func skipped(kind api.ObjectDryRunKind) api.ObjectDryRun {
	text := "not tried, because the Job is not accepted"
	return api.ObjectDryRun{
		Kind: kind, Outcome: api.DryRunOutcomeSkipped, Message: &text,
		Warnings: []string{}, Changes: []api.DocumentChange{},
	}
}

// judged is what the result of a request means.
func judged(err error, warnings *cluster.Warnings) api.ObjectDryRun {
	texts := warnings.Texts()
	object := api.ObjectDryRun{
		Outcome: outcomeOf(err), Warnings: texts[:min(len(texts), maxWarnings)], Changes: []api.DocumentChange{},
	}
	if err == nil {
		return object
	}
	text := cluster.WithHint(err).Error()
	if takesNoDryRun(err) {
		text = fmt.Sprintf("%v (the webhook declares side effects, and is not asked in a dry run: only a run can tell)", err)
	}
	object.Message = &text
	return object
}

func outcomeOf(err error) api.DryRunOutcome {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return api.DryRunOutcomeAccepted
	case cluster.IsUnpermitted(err):
		return api.DryRunOutcomeForbidden
	case !errors.As(err, &status), cluster.IsForeign(err), takesNoDryRun(err):
		return api.DryRunOutcomeFailed
	}
	failure := cluster.ClassifyCreateError(err)
	if failure.Final || failure.Category == api.CategoryQuota || status.Status().Code == http.StatusForbidden {
		return api.DryRunOutcomeRefused
	}
	return api.DryRunOutcomeFailed
}

// takesNoDryRun reports whether the API server did not go on because of an admission webhook with side effects.
func takesNoDryRun(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run")
}
