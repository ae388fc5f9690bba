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
	// ResetValues forgets what was set before. Otherwise Values go on top of that, over the new chart's
	// defaults.
	ResetValues bool
}

// over is what the values become on top of those that were set before, as Helm will merge them.
func (o UpgradeOptions) over(before map[string]any) map[string]any {
	if o.ResetValues {
		before = nil
	}
	return chartutil.CoalesceTables(copied(o.Values), before)
}

// copied is a deep copy of the tables: Helm merges into what it is given, and that must not be the caller's.
func copied(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for key, value := range values {
		if table, ok := value.(map[string]any); ok {
			value = copied(table)
		}
		out[key] = value
	}
	return out
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
	if err := c.check(loaded, o.over(rel.Config)); err != nil {
		return Status{}, err
	}
	upgrade := action.NewUpgrade(c.config)
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = c.namespace, true, c.timeout
	upgrade.ResetValues, upgrade.ResetThenReuseValues = o.ResetValues, !o.ResetValues
	upgrade.MaxHistory = historyLimit
	c.progress.say(
		"upgrading %q in namespace %q to %s %s",
		c.name,
		c.namespace,
		loaded.Name(),
		loaded.Metadata.Version,
	)
	if _, err := upgrade.RunWithContext(ctx, c.name, loaded, copied(o.Values)); err != nil {
		return Status{}, c.explain(ctx, fmt.Errorf("upgrade release %q: %w", c.name, oneLine(err)))
	}
	return c.Status(ctx)
}
