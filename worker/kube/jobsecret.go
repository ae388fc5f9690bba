package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// sealed makes the Secret that the Job's pods need. It is made after the Job, so that it has an owner from
// the start and nothing can be left behind: until it is there, a kubelet that is faster waits and tries
// again.
func (r *Runtime) sealed(ctx context.Context, j *batchv1.Job, secret *job.Secret) error {
	if secret == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	wanted := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: secret.Name, Namespace: j.Namespace, Labels: maps.Clone(j.Labels),
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID},
			},
		},
		Type: corev1.SecretTypeOpaque, StringData: secret.Data,
	}
	_, err := r.client.CoreV1().
		Secrets(j.Namespace).
		Create(ctx, wanted, metav1.CreateOptions{FieldManager: "berth-worker"})
	if apierrors.IsAlreadyExists(err) {
		err = r.takeSecret(ctx, wanted)
	}
	if err != nil {
		return fmt.Errorf("make secret %s/%s of the job: %w", j.Namespace, secret.Name, secretHint(err))
	}
	return nil
}

// takeSecret makes a Secret that is there what it should be, if it is this attempt's: one of an earlier Job
// of the same name is still about to be collected.
func (r *Runtime) takeSecret(ctx context.Context, wanted *corev1.Secret) error {
	there, err := r.client.CoreV1().Secrets(wanted.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !sameAttempt(there, wanted) {
		return &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"the name of secret %s/%s is taken by somebody else's; delete it if nobody needs it",
			there.Namespace,
			there.Name,
		)}
	}
	if len(there.OwnerReferences) == 1 && there.OwnerReferences[0].UID == wanted.OwnerReferences[0].UID {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"uid":             there.UID,
			"resourceVersion": there.ResourceVersion,
			"ownerReferences": wanted.OwnerReferences,
		},
		"stringData": wanted.StringData,
	})
	if err != nil {
		return fmt.Errorf("write the patch: %w", err)
	}
	_, err = r.client.CoreV1().
		Secrets(there.Namespace).
		Patch(ctx, there.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "berth-worker"})
	return err
}

// secretHint says what a worker lacks that may not make Secrets.
func secretHint(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf(
			"%w (give the worker's ServiceAccount get, create and patch on secrets in the namespace; Helm: worker.jobSecrets)",
			err,
		)
	}
	return err
}
