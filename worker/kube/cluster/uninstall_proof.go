package cluster

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	corev1 "k8s.io/api/core/v1"
)

// HelmRelease is a release of the chart, as one of its hooks knows it.
type HelmRelease struct {
	// Namespace of Helm's records, which is that of the objects unless the chart's namespaceOverride says otherwise.
	Namespace, Name string
	// Revision is the one that the hook was rendered for. A rollback runs the hooks of an older revision under a newer one.
	Revision int
	// Deployments of the workers, in the Config's namespace.
	Deployments []string
}

// HelmRevisions is how many revisions after its own a hook looks for, and may read. The chart's Role names them one by one.
const HelmRevisions = 50

// NoUninstallError says why a release is not being uninstalled. It is not a failure: nothing was to be done.
type NoUninstallError struct{ Reason string }

func (e *NoUninstallError) Error() string { return e.Reason }

// errNoRecord says that Helm has installed the release and that what it does now cannot be read.
var errNoRecord = errors.New("whether Helm is uninstalling it cannot be read")

// CheckUninstall returns nil if Helm is uninstalling the release, and a NoUninstallError if it is not: the hook runs
// although no uninstall is under way where a rendered chart is applied, for kubectl and GitOps tools know no hooks.
//
// Helm marks its record of the newest revision before it runs the hooks of an uninstall. Only its metadata is read.
func (c Config) CheckUninstall(ctx context.Context, r HelmRelease) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	records, err := metadata.NewForConfig(c.REST)
	if err != nil {
		return fmt.Errorf("configure a client for the cluster at %s: %w", c.REST.Host, err)
	}
	return checkUninstall(ctx, client, c.Namespace, records, r)
}

func checkUninstall(
	ctx context.Context, client kubernetes.Interface, namespace string, records metadata.Interface, r HelmRelease,
) error {
	status, err := newestStatus(ctx, records, r)
	if err != nil {
		return fmt.Errorf("read Helm's record of release %s/%s: %w", r.Namespace, r.Name, WithHint(err))
	}
	switch status {
	case "uninstalling":
		return nil
	case "", "superseded": // a record of a newer revision exists, out of reach
		installed, err := installedByHelm(ctx, client, namespace, r.Deployments)
		if err != nil {
			return err
		}
		if installed || status != "" {
			return fmt.Errorf("release %s/%s: %w", r.Namespace, r.Name, errNoRecord)
		}
		return &NoUninstallError{fmt.Sprintf("release %s/%s was not installed by Helm, so that no uninstall is under way",
			r.Namespace, r.Name)}
	}
	return &NoUninstallError{fmt.Sprintf("release %s/%s is %s, so that no uninstall is under way", r.Namespace, r.Name, status)}
}

// newestStatus is what Helm's record of the newest revision says; empty without a record. Roles that operators write may
// name only some of the records, so that a forbidden one counts only where none can be read.
func newestStatus(ctx context.Context, records metadata.Interface, r HelmRelease) (string, error) {
	readable := false
	var forbidden error
	for revision := r.Revision + HelmRevisions; revision >= r.Revision; revision-- {
		name := fmt.Sprintf("sh.helm.release.v1.%s.v%d", r.Name, revision)
		for _, kind := range []string{"secrets", "configmaps"} { // by HELM_DRIVER
			resource := corev1.SchemeGroupVersion.WithResource(kind)
			record, err := records.Resource(resource).Namespace(r.Namespace).Get(ctx, name, metav1.GetOptions{})
			if err == nil && record.Labels["owner"] == "helm" {
				return record.Labels["status"], nil
			}
			switch {
			case err == nil || apierrors.IsNotFound(err):
				readable = true
			case apierrors.IsForbidden(err):
				forbidden = err
			default:
				return "", err
			}
		}
	}
	if !readable {
		return "", forbidden
	}
	return "", nil
}

// installedByHelm reports whether a worker has the mark that Helm puts on what it installs.
func installedByHelm(ctx context.Context, client kubernetes.Interface, namespace string, deployments []string) (bool, error) {
	for _, name := range deployments {
		d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read deployment %s/%s: %w", namespace, name, WithHint(err))
		}
		if d.Annotations["meta.helm.sh/release-name"] != "" {
			return true, nil
		}
	}
	return false, nil
}
