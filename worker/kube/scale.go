package kube

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

// StopDeployment scales a Deployment to nothing and returns when the last of its pods is gone. Before a drain
// this is how the workers that live in the cluster stop claiming: a pod that is still going could yet create
// a Job. One that is not there has stopped already. An empty namespace is that of the Config.
func StopDeployment(ctx context.Context, c Config, namespace, name string) error {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return fmt.Errorf("make a client for the cluster at %s: %w", c.REST.Host, err)
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
		return hinted(err)
	}
	// The scale subresource is the least that a Role can allow; the object's own update would allow another
	// image as well.
	_, err = deployments.Patch(
		ctx,
		name,
		types.MergePatchType,
		[]byte(`{"spec":{"replicas":0}}`),
		metav1.PatchOptions{},
		"scale",
	)
	if err != nil {
		return fmt.Errorf("scale to 0: %w", hinted(err))
	}
	selector := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)}
	left := 0
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(namespace).List(ctx, selector)
		if err != nil {
			return false, hinted(err)
		}
		left = len(pods.Items)
		return left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d pods to go: %w", left, err)
	}
	return nil
}
