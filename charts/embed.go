// Package charts holds Berth's Helm chart, embedded in the binary, so that `berth install` needs neither a
// chart repository nor the helm program. Package release installs it; the tests here render it through Helm's
// own engine and hold what it promises: typed objects, restricted pods, exact rights, no key in a manifest.
package charts

import (
	"embed"
	"fmt"
	"io/fs"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// all: is needed for the files that start with an underscore, without which no template renders.
//
//go:embed all:berth
var files embed.FS

// Files is the chart as a file system, Chart.yaml at its root.
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
