package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// ensureNamespaces refuses a release that has objects in a namespace that does not exist, before any of them is
// made, or creates the namespaces where that is wanted.
func (c *Client) ensureNamespaces(ctx context.Context, rendered map[string]string) error {
	needed := namespacesOf(rendered)
	needed = slices.DeleteFunc(needed, func(name string) bool { return name == c.namespace })
	if len(needed) == 0 {
		return nil
	}
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	var missing []string
	for _, name := range needed {
		_, err := set.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			missing = append(missing, name)
		case apierrors.IsForbidden(err): // it may exist; Helm will say what it may not do there
		case err != nil:
			return fmt.Errorf("read namespace %q: %w", name, err)
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case !c.createNamespaces:
		return &ValuesError{Err: fmt.Errorf("values of release %q name namespaces that do not exist: %s; create them, "+
			"or add --create-namespaces", c.name, strings.Join(missing, ", "))}
	}
	for _, name := range missing {
		c.progress.report("creating namespace %q", name)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := set.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create namespace %q: %w", name, err)
		}
	}
	return nil
}

// namespacesOf are the namespaces of the objects in a rendered chart, except the ones that the chart creates.
func namespacesOf(rendered map[string]string) []string {
	used, created := map[string]bool{}, map[string]bool{}
	for _, text := range rendered {
		for _, document := range strings.Split(text, "\n---") {
			var object struct {
				Kind     string
				Metadata struct{ Name, Namespace string }
			}
			if yaml.Unmarshal([]byte(document), &object) != nil {
				continue // notes and partials
			}
			if object.Kind == "Namespace" {
				created[object.Metadata.Name] = true
			}
			if object.Metadata.Namespace != "" {
				used[object.Metadata.Namespace] = true
			}
		}
	}
	maps.DeleteFunc(used, func(name string, _ bool) bool { return created[name] })
	return slices.Sorted(maps.Keys(used))
}
