package release

import (
	"fmt"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// ValuesError says that the values are not such that the chart can be made of them. Nothing has been asked of
// the cluster.
type ValuesError struct{ Err error }

func (e *ValuesError) Error() string { return e.Err.Error() }

func (e *ValuesError) Unwrap() error { return e.Err }

// check renders the chart once for nothing: bad values are found out before anything happens in the cluster.
func (c *Client) check(loaded *chart.Chart, values map[string]any) error {
	options := chartutil.ReleaseOptions{Name: c.name, Namespace: c.namespace, Revision: 1, IsInstall: true}
	rendered, err := chartutil.ToRenderValues(loaded, values, options, chartutil.DefaultCapabilities.Copy())
	if err == nil {
		_, err = engine.Render(loaded, rendered)
	}
	if err != nil {
		return &ValuesError{Err: fmt.Errorf("values of release %q: %w", c.name, oneLine(err))}
	}
	return nil
}
