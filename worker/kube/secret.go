package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// EnsureSecretKeys makes sure that the Secret has the keys: it creates the Secret where it is missing and
// adds keys that are missing, with the value that their function returns. What is there is never changed,
// whoever writes at the same time. It returns the names of the keys that it wrote; an empty namespace is that
// of the Config.
func EnsureSecretKeys(
	ctx context.Context,
	c Config,
	namespace, name string,
	keys map[string]func() (string, error),
) (written []string, err error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, fmt.Errorf("make a client for the cluster at %s: %w", c.REST.Host, err)
	}
	if namespace == "" {
		namespace = c.Namespace
	}
	return ensureSecretKeys(ctx, client, namespace, name, keys)
}

func ensureSecretKeys(
	ctx context.Context,
	client kubernetes.Interface,
	namespace, name string,
	keys map[string]func() (string, error),
) (written []string, err error) {
	someoneElseWrote := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err = retry.OnError(retry.DefaultBackoff, someoneElseWrote, func() error {
		written, err = addSecretKeys(ctx, client, namespace, name, keys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ensure keys of secret %s/%s: %w", namespace, name, hinted(err))
	}
	return written, nil
}

func addSecretKeys(
	ctx context.Context,
	client kubernetes.Interface,
	namespace, name string,
	keys map[string]func() (string, error),
) ([]string, error) {
	secrets := client.CoreV1().Secrets(namespace)
	there, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	absent := err != nil
	missing := map[string][]byte{}
	for key, value := range keys {
		if _, ok := there.Data[key]; ok && !absent {
			continue
		}
		text, err := value()
		if err != nil {
			return nil, fmt.Errorf("make key %q: %w", key, err)
		}
		missing[key] = []byte(text)
	}
	written := slices.Sorted(maps.Keys(missing))
	if len(missing) == 0 {
		return written, nil
	}
	if absent {
		_, err = secrets.Create(
			ctx,
			&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
				Type:       corev1.SecretTypeOpaque,
				Data:       missing,
			},
			metav1.CreateOptions{},
		)
		return written, err
	}
	patch, err := json.Marshal(
		map[string]any{"metadata": map[string]any{"resourceVersion": there.ResourceVersion}, "data": missing},
	)
	if err != nil {
		return nil, fmt.Errorf("write the patch: %w", err)
	}
	_, err = secrets.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return written, err
}
