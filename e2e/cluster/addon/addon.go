// Package addon brings into the cluster what Kubernetes itself does not: a name server and a default
// StorageClass.
package addon

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

//go:embed manifests
var manifests embed.FS

// CoreDNSImage is the image that the name server's pod runs.
const CoreDNSImage = "localhost/berth/coredns:1"

// Apply makes the add-ons what the manifests say. Applying them again changes nothing.
func Apply(ctx context.Context, config *rest.Config) error {
	objects, err := load(manifests, "manifests/*.yaml")
	if err != nil {
		return fmt.Errorf("read add-ons: %w", err)
	}
	return apply(ctx, config, objects)
}

func apply(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("apply add-ons: %w", err)
	}
	resources, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("apply add-ons: %w", err)
	}
	groups, err := restmapper.GetAPIGroupResources(resources)
	if err != nil {
		return fmt.Errorf("apply add-ons: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, object := range objects {
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("apply add-ons: %w", err)
		}
		options := metav1.ApplyOptions{FieldManager: "berth-cluster", Force: true}
		if _, err := client.Resource(mapping.Resource).Namespace(object.GetNamespace()).Apply(ctx, object.GetName(), object, options); err != nil {
			return fmt.Errorf("apply %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
	return nil
}

// load returns every object of the files that match the pattern, in their order.
func load(files fs.FS, pattern string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}
