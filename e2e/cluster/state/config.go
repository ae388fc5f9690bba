package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Config is what was chosen when the cluster was started; it stays as long as the cluster does.
type Config struct {
	// Provider is the kind of cluster that stands: "source" or "kind".
	Provider string `json:"provider"`
	// Port is the API server's port on the machine's 127.0.0.1.
	Port int `json:"port,omitempty"`
	// NodeCount is the number of nodes; none means one.
	NodeCount int `json:"nodes,omitempty"`
	// Binaries maps the names kube, etcd and coredns to the files they were built to.
	Binaries map[string]string `json:"binaries,omitempty"`
	// Args are additional arguments by component name, after the cluster's own.
	Args map[string][]string `json:"args,omitempty"`
}

// ReadConfig returns what was chosen for the cluster in d, or an os.ErrNotExist error where none was started
// there.
func ReadConfig(d Dir) (Config, error) {
	var config Config
	data, err := os.ReadFile(d.Path("config.json"))
	if err != nil {
		return config, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return config, fmt.Errorf("read the cluster's configuration: %w", err)
	}
	return config, nil
}

// WriteConfig keeps the choice in d, as a whole or not at all.
func WriteConfig(d Dir, config Config) error {
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("write the cluster's configuration: %w", err)
	}
	return WriteFile(d.Path("config.json"), data, 0o644)
}

// SameShape reports whether the two ask for the same cluster: nodes and additional arguments, whatever was
// built or chosen.
func SameShape(a, b Config) bool {
	return len(a.Nodes()) == len(b.Nodes()) && maps.EqualFunc(a.Args, b.Args, slices.Equal)
}

// ParseArgs turns "component=--flag=value" settings into additional arguments by component.
func ParseArgs(settings []string) (map[string][]string, error) {
	args := map[string][]string{}
	for _, setting := range settings {
		component, flag, found := strings.Cut(setting, "=")
		if !found || component == "" || !strings.HasPrefix(flag, "-") {
			return nil, fmt.Errorf("%q is not of the form COMPONENT=--FLAG=VALUE", setting)
		}
		args[component] = append(args[component], flag)
	}
	return args, nil
}

// WriteFile writes data to path by renaming a complete file into place, so that a reader, or a process that
// is killed in between, never leaves half of it.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
