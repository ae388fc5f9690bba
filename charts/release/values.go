package release

import (
	"fmt"

	"helm.sh/helm/v3/pkg/cli/values"
)

// ReadValues merges values files (later ones win; - is standard input) and then settings in helm's --set
// form, a.b=c.
func ReadValues(files, settings []string) (map[string]any, error) {
	options := values.Options{ValueFiles: files, Values: settings}
	merged, err := options.MergeValues(nil)
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	return merged, nil
}
