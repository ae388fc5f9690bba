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

// Install installs the chart, creates the namespace if it is missing, and waits until all pods are ready. A
// release whose first install failed is replaced; any other existing release is ErrInstalled.
func (c *Client) Install(ctx context.Context, values map[string]any) (Status, error) {
	loaded, err := charts.Load()
	if err != nil {
		return Status{}, err
	}
	rendered, err := c.checkValues(loaded, values)
	if err != nil {
		return Status{}, err
	}
	if err := c.reach(); err != nil {
		return Status{}, err
	}
	if err := c.checkInstallable(); err != nil {
		return Status{}, err
	}
	if err := c.ensureNamespaces(ctx, rendered); err != nil {
		return Status{}, err
	}

	c.objects = objectsNamespace(values, c.namespace)
	install := action.NewInstall(c.config)
	install.ReleaseName, install.Namespace = c.name, c.namespace
	install.CreateNamespace, install.Wait, install.Timeout = true, true, c.timeout
	install.Replace = true // checkInstallable allows only releases that may be replaced
	c.progress.report("installing %s %s as %q into namespace %q",
		loaded.Name(), loaded.Metadata.Version, c.name, c.namespace)
	if _, err := install.RunWithContext(ctx, loaded, values); err != nil {
		return Status{}, c.explain(ctx, fmt.Errorf("install release %q: %w", c.name, oneLine(err)))
	}
	c.markNamespace(ctx)
	return c.Status(ctx)
}

// checkInstallable refuses a release that has ever been deployed completely, unless it was uninstalled.
func (c *Client) checkInstallable() error {
	rel, err := c.latest()
	if errors.Is(err, ErrNotInstalled) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.checkIdle(rel); err != nil {
		return err
	}
	if rel.Info.Status == release.StatusUninstalled {
		return nil
	}
	_, err = c.config.Releases.Deployed(c.name)
	if rel.Info.Status == release.StatusFailed && errors.Is(err, driver.ErrNoDeployedReleases) {
		return nil
	}
	return fmt.Errorf("release %q in namespace %q is %s: %w; upgrade it instead",
		c.name, c.namespace, rel.Info.Status, ErrInstalled)
}
