// Package defaults holds the base job templates that a pool gets when it is made without one, as files that
// people read and copy.
package defaults

import (
	"embed"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

//go:embed kubernetes.yaml process.yaml
var files embed.FS

// Template returns the default base job template of a type of pool, as JSON.
func Template(kind string) (json.RawMessage, error) {
	text, err := YAML(kind)
	if err != nil {
		return nil, err
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("default template for %s: %w", kind, err)
	}
	return document, nil
}

// YAML returns the default base job template of a type of pool as it was written.
func YAML(kind string) ([]byte, error) {
	text, err := files.ReadFile(kind + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no default template for pools of type %q", kind)
	}
	return text, nil
}
