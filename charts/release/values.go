package release

import (
	"fmt"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/engine"
)

// ReadValues merges values files and then settings in Helm's --set form (a.b=c). Later files take precedence;
// "-" is standard input.
func ReadValues(files, settings []string) (map[string]any, error) {
	options := values.Options{ValueFiles: files, Values: settings}
	merged, err := options.MergeValues(nil)
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	return merged, nil
}

// ValuesError says that the chart cannot be rendered with the values. The cluster has not been changed.
type ValuesError struct{ Err error }

func (e *ValuesError) Error() string { return e.Err.Error() }

func (e *ValuesError) Unwrap() error { return e.Err }

// checkValues renders the chart, so that invalid values are found before the cluster is changed. It returns the
// rendered files.
func (c *Client) checkValues(loaded *chart.Chart, values map[string]any) (map[string]string, error) {
	options := chartutil.ReleaseOptions{Name: c.name, Namespace: c.namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, values, options, chartutil.DefaultCapabilities.Copy())
	var rendered map[string]string
	if err == nil {
		rendered, err = engine.Render(loaded, all)
	}
	if err != nil {
		return nil, &ValuesError{Err: fmt.Errorf("values of release %q: %w", c.name, oneLine(err))}
	}
	return rendered, nil
}
