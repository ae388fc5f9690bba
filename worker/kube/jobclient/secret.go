package jobclient

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
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// EnsureSecret makes the Secret that the Job's pods refer to. It is made after the Job, so that the Job owns
// it from the start and no Secret is left behind. A kubelet that is faster waits and retries.
func (c *Client) EnsureSecret(ctx context.Context, j *batchv1.Job, secret job.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	wanted := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: secret.Name, Namespace: j.Namespace, Labels: maps.Clone(j.Labels),
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID},
			},
		},
		Type:       corev1.SecretTypeOpaque,
		StringData: secret.Data,
	}
	options := metav1.CreateOptions{FieldManager: FieldManager}
	_, err := c.API.CoreV1().Secrets(j.Namespace).Create(ctx, wanted, options)
	if apierrors.IsAlreadyExists(err) {
		err = c.adoptSecret(ctx, wanted)
	}
	if err != nil {
		return fmt.Errorf("create secret %s/%s: %w", j.Namespace, secret.Name, withSecretHint(err))
	}
	return nil
}

// adoptSecret changes an existing Secret into the wanted one, if it belongs to the same attempt: the Secret
// of an earlier Job of the same name may not be garbage-collected yet.
func (c *Client) adoptSecret(ctx context.Context, wanted *corev1.Secret) error {
	secrets := c.API.CoreV1().Secrets(wanted.Namespace)
	existing, err := secrets.Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !SameAttempt(existing, wanted) {
		return &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"secret %s/%s already exists and does not belong to this attempt: delete it if nothing needs it",
			existing.Namespace, existing.Name,
		)}
	}
	if len(existing.OwnerReferences) == 1 &&
		existing.OwnerReferences[0].UID == wanted.OwnerReferences[0].UID {
		return nil
	}

	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"uid":             existing.UID,
			"resourceVersion": existing.ResourceVersion,
			"ownerReferences": wanted.OwnerReferences,
		},
		"stringData": wanted.StringData,
	})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: FieldManager}
	_, err = secrets.Patch(ctx, existing.Name, types.MergePatchType, patch, options)
	return err
}

// withSecretHint says which permissions a worker lacks that may not write Secrets.
func withSecretHint(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w (grant the worker's ServiceAccount get, create and patch on secrets "+
			"in the namespace; Helm: worker.jobSecrets)", err)
	}
	return err
}
