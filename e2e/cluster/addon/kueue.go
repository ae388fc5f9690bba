package addon

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/berth-dev/berth/e2e/cluster/pki"
)

//go:embed kueue
var kueueManifests embed.FS

const (
	// KueueImage is the image that Kueue's manager runs.
	KueueImage = "localhost/berth/kueue:1"
	// KueueNamespace and KueueDeployment are where it runs.
	KueueNamespace, KueueDeployment = "kueue-system", "kueue"

	kueueService = "kueue-webhook-service"
	// KueueLabel is the label of the namespaces whose Jobs Kueue manages.
	KueueLabel = "e2e.berth.dev/kueue"
)

// ApplyKueueTypes makes the resources of Kueue known to the cluster; source is the root of Kueue's module.
func ApplyKueueTypes(ctx context.Context, config *rest.Config, source fs.FS) error {
	types, err := load(source, "config/components/crd/bases/*.yaml")
	if err != nil {
		return fmt.Errorf("read Kueue's resources: %w", err)
	}
	return apply(ctx, config, types)
}

// ApplyKueue runs Kueue's manager for batch/v1 Jobs. Its webhooks see the Jobs of namespaces with KueueLabel alone, so
// that it disturbs nothing else when it is slow or away.
func ApplyKueue(ctx context.Context, config *rest.Config, source fs.FS) error {
	objects, err := load(kueueManifests, "kueue/*.yaml")
	if err != nil {
		return fmt.Errorf("read Kueue's manifests: %w", err)
	}
	authority, err := pki.NewAuthority("kueue")
	if err != nil {
		return err
	}
	certificate, err := authority.Server(kueueService, kueueService+"."+KueueNamespace+".svc")
	if err != nil {
		return err
	}
	webhooks, err := load(source, "config/components/webhook/manifests.yaml")
	if err != nil {
		return fmt.Errorf("read Kueue's webhooks: %w", err)
	}
	for _, configuration := range webhooks {
		configuration.SetName("kueue-" + configuration.GetName())
		if err := ownWebhooks(configuration, authority.Cert); err != nil {
			return fmt.Errorf("%s: %w", configuration.GetName(), err)
		}
	}
	secret := webhookSecret(authority.Cert, certificate)
	// The Secret comes before the pod that mounts it, and the webhooks last.
	namespace, rest := objects[:1], objects[1:]
	for _, list := range [][]*unstructured.Unstructured{namespace, {secret}, rest, webhooks} {
		if err := apply(ctx, config, list); err != nil {
			return err
		}
	}
	return nil
}

// webhookSecret holds the certificate with which the manager serves.
func webhookSecret(authority []byte, certificate pki.Pair) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]any{"name": "kueue-webhook", "namespace": KueueNamespace},
		"data": map[string]any{
			"ca.crt":  base64.StdEncoding.EncodeToString(authority),
			"tls.crt": base64.StdEncoding.EncodeToString(certificate.Cert),
			"tls.key": base64.StdEncoding.EncodeToString(certificate.Key),
		},
	}}
}

// ownWebhooks keeps the webhooks of Jobs and of Kueue's own resources, and leads them to our Service.
func ownWebhooks(configuration *unstructured.Unstructured, authority []byte) error {
	all, found, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil || !found {
		return errors.Join(errors.New("there are no webhooks in it"), err)
	}
	var kept []any
	for _, item := range all {
		webhook, ok := item.(map[string]any)
		if !ok {
			return errors.New("one of the webhooks is no mapping")
		}
		name, _ := webhook["name"].(string)
		path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		switch {
		case name == "mjob.kb.io" || name == "vjob.kb.io":
			webhook["namespaceSelector"] = map[string]any{"matchExpressions": []any{
				map[string]any{"key": KueueLabel, "operator": "Exists"},
			}}
		case !strings.Contains(path, "kueue-x-k8s-io"):
			continue
		}
		webhook["clientConfig"] = map[string]any{
			"caBundle": base64.StdEncoding.EncodeToString(authority),
			"service":  map[string]any{"name": kueueService, "namespace": KueueNamespace, "path": path},
		}
		kept = append(kept, webhook)
	}
	return unstructured.SetNestedSlice(configuration.Object, kept, "webhooks")
}
