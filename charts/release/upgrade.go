package release

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/berth-dev/berth/charts"
)

// UpgradeOptions of one upgrade.
type UpgradeOptions struct {
	Values map[string]any
	// ResetValues discards the values of the previous revision. Otherwise Values are merged over them and
	// over the new chart's defaults.
	ResetValues bool
}

// mergedOver returns the values merged over those of the previous revision, as Helm merges them.
func (o UpgradeOptions) mergedOver(before map[string]any) map[string]any {
	if o.ResetValues {
		before = nil
	}
	return chartutil.CoalesceTables(deepCopy(o.Values), before)
}

// deepCopy copies nested tables, because Helm modifies its arguments.
func deepCopy(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for key, value := range values {
		if table, ok := value.(map[string]any); ok {
			value = deepCopy(table)
		}
		out[key] = value
	}
	return out
}

// Upgrade upgrades a release to the embedded chart and the values, and waits until all pods are ready.
func (c *Client) Upgrade(ctx context.Context, o UpgradeOptions) (Status, error) {
	loaded, err := charts.Load()
	if err != nil {
		return Status{}, err
	}
	if err := c.reach(); err != nil {
		return Status{}, err
	}
	rel, err := c.latest()
	if err != nil {
		return Status{}, err
	}
	if err := c.checkIdle(rel); err != nil {
		return Status{}, err
	}
	rendered, err := c.checkValues(loaded, o.mergedOver(rel.Config))
	if err != nil {
		return Status{}, err
	}
	if err := c.ensureNamespaces(ctx, rendered); err != nil {
		return Status{}, err
	}

	upgrade := action.NewUpgrade(c.config)
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = c.namespace, true, c.timeout
	upgrade.ResetValues, upgrade.ResetThenReuseValues = o.ResetValues, !o.ResetValues
	upgrade.MaxHistory = historyLimit
	c.progress.report("upgrading %q in namespace %q to %s %s",
		c.name, c.namespace, loaded.Name(), loaded.Metadata.Version)
	if _, err := upgrade.RunWithContext(ctx, c.name, loaded, deepCopy(o.Values)); err != nil {
		return Status{}, c.explain(ctx, fmt.Errorf("upgrade release %q: %w", c.name, oneLine(err)))
	}
	c.markNamespace(ctx)
	return c.Status(ctx)
}
