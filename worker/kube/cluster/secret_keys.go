package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/retry"
)

// EnsureSecretKeys makes sure that the Secret has the keys. It creates the Secret if it does not exist, and
// adds each missing key with the value that its function returns. It never changes an existing key, whatever
// other clients write at the same time. It returns the names of the keys that it wrote. An empty namespace
// means the Config's.
func (c Config) EnsureSecretKeys(
	ctx context.Context, namespace, name string, keys map[string]func() (string, error),
) (written []string, err error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		namespace = c.Namespace
	}
	secrets := client.CoreV1().Secrets(namespace)
	raced := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err = retry.OnError(retry.DefaultBackoff, raced, func() error {
		written, err = addSecretKeys(ctx, secrets, name, keys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ensure keys of secret %s/%s: %w", namespace, name, WithHint(err))
	}
	return written, nil
}

func addSecretKeys(
	ctx context.Context,
	secrets typedcorev1.SecretInterface,
	name string,
	keys map[string]func() (string, error),
) ([]string, error) {
	current, err := secrets.Get(ctx, name, metav1.GetOptions{})
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	if !exists {
		current = &corev1.Secret{}
	}

	missing := map[string][]byte{}
	for key, newValue := range keys {
		// A blank value is no key: a server would start without it.
		if len(bytes.TrimSpace(current.Data[key])) > 0 {
			continue
		}
		value, err := newValue()
		if err != nil {
			return nil, fmt.Errorf("generate key %q: %w", key, err)
		}
		missing[key] = []byte(value)
	}
	written := slices.Sorted(maps.Keys(missing))
	if len(missing) == 0 {
		return written, nil
	}

	if !exists {
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Type:       corev1.SecretTypeOpaque,
			Data:       missing,
		}, metav1.CreateOptions{})
		return written, err
	}
	// The resource version makes the patch fail if another client has added the same key since the read.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": current.ResourceVersion},
		"data":     missing,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the patch: %w", err)
	}
	_, err = secrets.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return written, err
}
