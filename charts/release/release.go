// Package release installs the embedded chart into a cluster, upgrades it, looks at it, checks it and takes
// it out again, all through the Helm SDK: what it leaves is an ordinary Helm release that the helm program
// can work on as well.
//
// A Client is for one release in one namespace. Each method is one action: it blocks until the cluster has
// done what was asked or the timeout is over, and says meanwhile through Options.Progress what it waits for.
// Where an action fails since pods do not come up, the error is a NotReadyError that says why.
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

// DefaultTimeout is Helm's own.
const DefaultTimeout = 5 * time.Minute

// historyLimit is how many revisions of a release are kept, as with the helm program.
const historyLimit = 10

// Errors that callers tell apart. They come wrapped with what to do.
var (
	ErrNotInstalled = errors.New("not installed")
	ErrInstalled    = errors.New("installed already")
	ErrBusy         = errors.New("another operation is in progress")
)

// Target says which release is meant: in which cluster, namespace and by which name.
type Target struct {
	Kubeconfig string // path; empty means the one kubectl would use
	Context    string // of the kubeconfig; empty means its current one
	Namespace  string // empty means the context's
	Name       string // of the release
}

// Options of a Client.
type Options struct {
	Target
	// Timeout of one action as a whole, and of each hook in it; 0 means DefaultTimeout.
	Timeout time.Duration
	// Progress is told in one line what an action does or waits for. It may be nil, and may be called from
	// another goroutine.
	Progress func(line string)
}

// Client works on one release.
type Client struct {
	name      string
	namespace string
	timeout   time.Duration
	progress  *progress
	config    *action.Configuration
}

// New makes a Client. It reads the kubeconfig, but does not talk to the cluster yet.
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
		name: o.Name, namespace: settings.Namespace(), timeout: o.Timeout,
		progress: newProgress(o.Progress), config: &action.Configuration{},
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if err := c.config.Init(settings.RESTClientGetter(), c.namespace, "secret", c.progress.helmLog); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	c.config.SetHookOutputFunc(func(_, pod, _ string) io.Writer { return c.progress.writer(pod) })
	return c, nil
}

// Namespace is the release's, also where Target did not name one.
func (c *Client) Namespace() string { return c.namespace }

// last gives the newest revision, or ErrNotInstalled.
func (c *Client) last() (*release.Release, error) {
	rel, err := c.config.Releases.Last(c.name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, fmt.Errorf("release %q in namespace %q: %w", c.name, c.namespace, ErrNotInstalled)
	}
	if err != nil {
		return nil, fmt.Errorf("read release %q in namespace %q: %w", c.name, c.namespace, err)
	}
	return rel, nil
}

// idle refuses a release that somebody else works on, or that somebody left in the middle.
func (c *Client) idle(rel *release.Release) error {
	advice := "if nobody works on it any more, uninstall it, or roll it back with helm"
	switch {
	case rel.Info.Status == release.StatusUninstalling:
		advice = "if nobody works on it any more, uninstall it again"
	case !rel.Info.Status.IsPending():
		return nil
	}
	return fmt.Errorf(
		"release %q in namespace %q is %s: %w; %s",
		c.name,
		c.namespace,
		rel.Info.Status,
		ErrBusy,
		advice,
	)
}
