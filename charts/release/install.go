package release

import (
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/berth-dev/berth/charts"
)

// Install installs the chart, makes the namespace where it is missing, and waits until all pods are ready. A
// release whose first install failed is installed once more; any other that is there is ErrInstalled.
func (c *Client) Install(ctx context.Context, values map[string]any) (Status, error) {
	loaded, err := charts.Load()
	if err != nil {
		return Status{}, err
	}
	if err := c.check(loaded, values); err != nil {
		return Status{}, err
	}
	if err := c.installable(); err != nil {
		return Status{}, err
	}
	install := action.NewInstall(c.config)
	install.ReleaseName, install.Namespace = c.name, c.namespace
	install.CreateNamespace, install.Wait, install.Timeout = true, true, c.timeout
	install.Replace = true // installable has let through only what may be replaced
	c.progress.say(
		"installing %s %s as %q into namespace %q",
		loaded.Name(),
		loaded.Metadata.Version,
		c.name,
		c.namespace,
	)
	if _, err := install.RunWithContext(ctx, loaded, values); err != nil {
		return Status{}, c.explain(ctx, fmt.Errorf("install release %q: %w", c.name, oneLine(err)))
	}
	return c.Status(ctx)
}

// installable lets through what is not there, or what has never been there as a whole.
func (c *Client) installable() error {
	rel, err := c.last()
	if errors.Is(err, ErrNotInstalled) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.idle(rel); err != nil {
		return err
	}
	if rel.Info.Status == release.StatusUninstalled {
		return nil
	}
	_, err = c.config.Releases.Deployed(c.name)
	if rel.Info.Status == release.StatusFailed && errors.Is(err, driver.ErrNoDeployedReleases) {
		return nil
	}
	return fmt.Errorf(
		"release %q in namespace %q is %s, upgrade it instead: %w",
		c.name,
		c.namespace,
		rel.Info.Status,
		ErrInstalled,
	)
}
