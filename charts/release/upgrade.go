package release

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"

	"github.com/berth-dev/berth/charts"
)

// UpgradeOptions of one upgrade.
type UpgradeOptions struct {
	Values map[string]any
	// ResetValues forgets what was set before. Otherwise Values go on top of that, over the new chart's defaults.
	ResetValues bool
}

// Upgrade brings a release to the embedded chart and the values, and waits until all pods are ready.
func (c *Client) Upgrade(ctx context.Context, o UpgradeOptions) (Status, error) {
	loaded, err := charts.Load()
	if err != nil {
		return Status{}, err
	}
	rel, err := c.last()
	if err != nil {
		return Status{}, err
	}
	if err := c.idle(rel); err != nil {
		return Status{}, err
	}
	upgrade := action.NewUpgrade(c.config)
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = c.namespace, true, c.timeout
	upgrade.ResetValues, upgrade.ResetThenReuseValues = o.ResetValues, !o.ResetValues
	upgrade.MaxHistory = historyLimit
	c.progress.say("upgrading %q in namespace %q to %s %s", c.name, c.namespace, loaded.Name(), loaded.Metadata.Version)
	if _, err := upgrade.RunWithContext(ctx, c.name, loaded, o.Values); err != nil {
		return Status{}, c.explain(ctx, fmt.Errorf("upgrade release %q: %w", c.name, oneLine(err)))
	}
	return c.Status(ctx)
}
