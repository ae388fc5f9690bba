package release

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
)

// Check runs the chart's tests (`helm test`) against the release.
func (c *Client) Check(ctx context.Context) error {
	if _, err := c.last(); err != nil {
		return err
	}
	test := action.NewReleaseTesting(c.config)
	test.Namespace, test.Timeout = c.namespace, c.timeout
	c.progress.say("testing %q in namespace %q", c.name, c.namespace)
	if _, err := test.Run(c.name); err != nil {
		return c.explain(ctx, fmt.Errorf("test release %q: %w", c.name, oneLine(err)))
	}
	return nil
}
