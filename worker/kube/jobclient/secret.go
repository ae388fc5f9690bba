package jobclient

import (
	"context"
	"fmt"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// CreateSecret makes the Secret that the Job's pods refer to. It is made after the Job, so that the Job owns
// it from the start and no Secret is left behind. A kubelet that is faster waits and retries. It needs no permission but
// create: a Secret that exists (AlreadyExists) is not looked into.
func (c *Client) CreateSecret(ctx context.Context, j *batchv1.Job, secret job.Secret) error {
	return c.createSecret(ctx, j, secret, metav1.CreateOptions{FieldManager: FieldManager})
}

// DryRunSecret asks whether the Secret could be made.
func (c *Client) DryRunSecret(ctx context.Context, j *batchv1.Job, secret job.Secret) error {
	options := metav1.CreateOptions{FieldManager: FieldManager, DryRun: []string{metav1.DryRunAll}}
	return c.createSecret(ctx, j, secret, options)
}

func (c *Client) createSecret(
	ctx context.Context, j *batchv1.Job, secret job.Secret, options metav1.CreateOptions,
) error {
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
	_, err := c.API.CoreV1().Secrets(j.Namespace).Create(ctx, wanted, options)
	if err != nil {
		return fmt.Errorf("create secret %s/%s: %w", j.Namespace, secret.Name, withSecretHint(err))
	}
	return nil
}

// withSecretHint says which permissions a worker lacks that may not write Secrets.
func withSecretHint(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w (grant the worker's ServiceAccount create on secrets "+
			"in the namespace; Helm: worker.jobSecrets)", err)
	}
	return err
}
