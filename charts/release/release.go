// Package release installs, upgrades, tests and uninstalls the embedded chart through the Helm SDK, and
// reports its status. The result is an ordinary Helm release that the helm program can manage too.
//
// A Client works on one release in one namespace. Each method is one action: it blocks until the cluster is
// done or the timeout has passed, and reports through Options.Progress what it waits for. If an action fails
// because pods do not become ready, the error is a NotReadyError with the causes.
package release

import (
	"errors"
	"fmt"
	"io"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// DefaultTimeout is Helm's default.
const DefaultTimeout = 5 * time.Minute

// historyLimit is the number of revisions to keep, as in the helm program.
const historyLimit = 10

// Errors that callers distinguish. They are wrapped with the remedy.
var (
	ErrNotInstalled = errors.New("not installed")
	ErrInstalled    = errors.New("already installed")
	ErrBusy         = errors.New("another operation is in progress")
)

// Target identifies a release.
type Target struct {
	Kubeconfig string // path; empty means the default of kubectl
	Context    string // of the kubeconfig; empty means its current one
	Namespace  string // empty means the context's
	Name       string // of the release
}

// Options of a Client.
type Options struct {
	Target
	// Timeout of one action as a whole, and of each hook in it; 0 means DefaultTimeout.
	Timeout time.Duration
	// CreateNamespaces creates the namespaces of worker.namespaces that do not exist.
	CreateNamespaces bool
	// Progress receives one line for each thing that an action does or waits for. It may be nil. It may be
	// called from another goroutine.
	Progress func(line string)
}

// Client works on one release.
type Client struct {
	name      string
	namespace string
	objects   string // the namespace of the objects
	timeout   time.Duration
	progress  *progress
	config    *action.Configuration

	createNamespaces bool
}

// New returns a Client. It reads the kubeconfig but does not contact the cluster.
func New(o Options) (*Client, error) {
	if err := chartutil.ValidateReleaseName(o.Name); err != nil {
		return nil, fmt.Errorf("release name %q: %w", o.Name, err)
	}
	settings := cli.New()
	settings.KubeConfig = o.Kubeconfig
	if o.Context != "" {
		settings.KubeContext = o.Context
	}
	if o.Namespace != "" {
		settings.SetNamespace(o.Namespace)
	}
	c := &Client{
		name: o.Name, namespace: settings.Namespace(), objects: settings.Namespace(), timeout: o.Timeout,
		progress: newProgress(o.Progress), config: &action.Configuration{}, createNamespaces: o.CreateNamespaces,
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if err := checkConfigured(settings); err != nil {
		return nil, err
	}
	if err := c.config.Init(settings.RESTClientGetter(), c.namespace, "secret",
		c.progress.helmLog); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	c.config.SetHookOutputFunc(func(_, pod, _ string) io.Writer { return c.progress.writer(pod) })
	return c, nil
}

// Namespace returns the namespace of the release, also if Target does not name one.
func (c *Client) Namespace() string { return c.namespace }

// latest returns the newest revision, or ErrNotInstalled.
func (c *Client) latest() (*release.Release, error) {
	rel, err := c.config.Releases.Last(c.name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, fmt.Errorf("release %q in namespace %q: %w", c.name, c.namespace, ErrNotInstalled)
	}
	if err != nil {
		return nil, fmt.Errorf("read release %q in namespace %q: %w", c.name, c.namespace, err)
	}
	c.objects = objectsNamespace(rel.Config, rel.Namespace)
	return rel, nil
}

// objectsNamespace is where the objects of a release are: in its namespace, or in that of namespaceOverride.
func objectsNamespace(values map[string]any, namespace string) string {
	if override, ok := values["namespaceOverride"].(string); ok && override != "" {
		return override
	}
	return namespace
}

// checkIdle refuses a release with an operation in progress or interrupted; Helm's status is the same for
// both.
func (c *Client) checkIdle(rel *release.Release) error {
	advice := "wait for it; if it was interrupted, uninstall the release or roll it back with helm"
	switch {
	case rel.Info.Status == release.StatusUninstalling:
		advice = "wait for it; if it was interrupted, uninstall the release again"
	case !rel.Info.Status.IsPending():
		return nil
	}
	return fmt.Errorf(
		"release %q in namespace %q is %s: %w; %s", c.name, c.namespace, rel.Info.Status, ErrBusy, advice)
}
