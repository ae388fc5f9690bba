package release

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/berth-dev/berth/charts"
)

// Manifest returns what Install would install with the values: the objects of the release, then its hooks, as
// `helm template` prints them. It does not contact the cluster.
func (c *Client) Manifest(values map[string]any) (string, error) {
	loaded, err := charts.Load()
	if err != nil {
		return "", err
	}
	if _, err := c.checkValues(loaded, values); err != nil {
		return "", err
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ClientOnly, install.DryRun = true, true
	install.ReleaseName, install.Namespace = c.name, c.namespace
	// No template depends on the version of the cluster; Helm wants one that the chart supports.
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.31.0", Major: "1", Minor: "31"}
	rel, err := install.Run(loaded, deepCopy(values))
	if err != nil {
		return "", fmt.Errorf("render release %q: %w", c.name, oneLine(err))
	}
	var out strings.Builder
	out.WriteString(strings.TrimSpace(rel.Manifest) + "\n")
	for _, hook := range rel.Hooks {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", hook.Path, strings.TrimSpace(hook.Manifest))
	}
	return out.String(), nil
}
