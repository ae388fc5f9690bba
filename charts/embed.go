// Package charts embeds Berth's Helm chart, so that `berth install` needs neither a chart repository nor the
// helm program. Package release installs it. The tests here render it with Helm's engine and check its
// invariants: typed objects, restricted pods, exact permissions, no key in a manifest.
package charts

import (
	"embed"
	"fmt"
	"io/fs"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// "all:" includes files that start with an underscore, which the templates need.
//
//go:embed all:berth
var files embed.FS

// Files returns the chart as a file system with Chart.yaml at its root.
func Files() (fs.FS, error) {
	root, err := fs.Sub(files, "berth")
	if err != nil {
		return nil, fmt.Errorf("open the embedded chart: %w", err)
	}
	return root, nil
}

// Load reads the embedded chart the way Helm reads one from disk.
func Load() (*chart.Chart, error) {
	root, err := Files()
	if err != nil {
		return nil, err
	}
	var buffered []*loader.BufferedFile
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		buffered = append(buffered, &loader.BufferedFile{Name: path, Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded chart: %w", err)
	}
	loaded, err := loader.LoadFiles(buffered)
	if err != nil {
		return nil, fmt.Errorf("load the embedded chart: %w", err)
	}
	return loaded, nil
}
