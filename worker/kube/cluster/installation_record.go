package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// RecordInstallation notes in a ConfigMap that this release's workers have Jobs of an installation. With it, an uninstall
// knows whose Jobs to end when the server is gone. The ConfigMap must exist.
func (c Config) RecordInstallation(ctx context.Context, configMap string, installation uuid.UUID) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	maps, key := client.CoreV1().ConfigMaps(c.Namespace), installation.String()
	current, err := maps.Get(ctx, configMap, metav1.GetOptions{})
	if err == nil && current.Data[key] != "" {
		return nil
	}
	if err == nil {
		var patch []byte
		patch, err = json.Marshal(map[string]any{"data": map[string]string{key: time.Now().UTC().Format(time.RFC3339)}})
		if err != nil {
			return fmt.Errorf("encode the patch: %w", err)
		}
		_, err = maps.Patch(ctx, configMap, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		return fmt.Errorf("record installation %s in configmap %s/%s: %w", installation, c.Namespace, configMap, WithHint(err))
	}
	return nil
}

// RecordedInstallations are what RecordInstallation noted; none if there is no such ConfigMap.
func (c Config) RecordedInstallations(ctx context.Context, configMap string) ([]uuid.UUID, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	current, err := client.CoreV1().ConfigMaps(c.Namespace).Get(ctx, configMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configmap %s/%s: %w", c.Namespace, configMap, WithHint(err))
	}
	var installations []uuid.UUID
	for key := range current.Data {
		if installation, err := uuid.Parse(key); err == nil {
			installations = append(installations, installation)
		}
	}
	return installations, nil
}
