package release

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// labelNamespace is set on namespaces that mean something to Berth. Workers create no Jobs in one with the
// value system.
const (
	labelNamespace  = "berth.dev/namespace"
	namespaceSystem = "system"
	namespaceJobs   = "jobs"
)

var (
	jobNamespaceArg   = regexp.MustCompile(`(?m)^\s*- --namespace=(\S+)$`)
	shareNamespaceArg = regexp.MustCompile(`(?m)^\s*- --share-namespace$`)
)

// jobsNamespace is the namespace in which the worker of a release creates Jobs; empty without a worker.
func jobsNamespace(rel *release.Release) string {
	match := jobNamespaceArg.FindStringSubmatch(rel.Manifest)
	if match == nil {
		return ""
	}
	return match[1]
}

// sharesNamespace is true for a release whose Jobs run beside its own Secrets.
func sharesNamespace(rel *release.Release) bool { return shareNamespaceArg.MatchString(rel.Manifest) }

// markNamespace labels the namespace of the objects of the release, so that no worker of any installation creates Jobs in it.
// Without the permission to label namespaces, the release's own worker refuses by name all the same.
func (c *Client) markNamespace(ctx context.Context) {
	rel, err := c.latest()
	if err != nil {
		return
	}
	var value any = namespaceSystem
	if sharesNamespace(rel) {
		value = nil
	}
	if err := c.label(ctx, value); err != nil {
		c.progress.report("namespace %q is not labelled %s=%s, so that only the workers of this release refuse "+
			"Jobs in it: %v", c.objects, labelNamespace, namespaceSystem, err)
	}
}

// label sets the label of the namespace of the release's objects; nil removes it.
func (c *Client) label(ctx context.Context, value any) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": map[string]any{labelNamespace: value}},
	})
	if err != nil {
		return fmt.Errorf("encode the label: %w", err)
	}
	_, err = set.CoreV1().Namespaces().Patch(ctx, c.objects, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// purgeJobsNamespace deletes the namespace of the Jobs, if the release created it.
func (c *Client) purgeJobsNamespace(ctx context.Context, rel *release.Release) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	name := jobsNamespace(rel)
	if name == "" || name == c.objects {
		return nil
	}
	namespace, err := set.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read namespace %q: %w", name, err)
	}
	if namespace.Labels[labelNamespace] != namespaceJobs ||
		namespace.Annotations["meta.helm.sh/release-name"] != c.name ||
		namespace.Annotations["meta.helm.sh/release-namespace"] != c.namespace {
		return nil
	}
	c.progress.report("deleting namespace %q", name)
	if err := set.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil &&
		!apierrors.IsNotFound(err) {
		return fmt.Errorf("delete namespace %q: %w", name, err)
	}
	return nil
}
