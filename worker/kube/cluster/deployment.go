package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// StopDeployment scales a Deployment to 0 and returns when its last pod is gone. Workers in the cluster stop
// claiming this way before a drain: a terminating pod could still create a Job. A Deployment that does not
// exist needs no stopping. An empty namespace means the Config's.
func (c Config) StopDeployment(ctx context.Context, namespace, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if namespace == "" {
		namespace = c.Namespace
	}
	if err := stopDeployment(ctx, client, namespace, name, time.Second); err != nil {
		return fmt.Errorf("stop deployment %s/%s: %w", namespace, name, err)
	}
	return nil
}

func stopDeployment(
	ctx context.Context,
	client kubernetes.Interface,
	namespace, name string,
	poll time.Duration,
) error {
	deployments := client.AppsV1().Deployments(namespace)
	d, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return WithHint(err)
	}

	// The scale subresource is the least that a Role can permit: an update of the Deployment would permit
	// another image as well.
	patch := []byte(`{"spec":{"replicas":0}}`)
	_, err = deployments.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		return fmt.Errorf("scale to 0: %w", WithHint(err))
	}

	selector := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)}
	left := 0
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(namespace).List(ctx, selector)
		if err != nil {
			return false, WithHint(err)
		}
		left = len(pods.Items)
		return left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d pods to be deleted: %w", left, err)
	}
	return nil
}

// DeletePod deletes a pod of the Config's namespace, if it exists.
func (c Config) DeletePod(ctx context.Context, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	err = client.CoreV1().Pods(c.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete pod %s/%s: %w", c.Namespace, name, WithHint(err))
	}
	return nil
}
