package catalog

import (
	"embed"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/server/store"
)

//go:embed kubernetes.yaml process.yaml
var defaultTemplates embed.FS

// Default returns the template of a pool of this type that is created without one.
func (c *Catalog) Default(poolType string) (store.TemplateDocument, error) {
	document, err := defaultTemplate(poolType)
	if err != nil {
		return store.TemplateDocument{}, err
	}
	checked, err := c.Check(document)
	if err != nil {
		return store.TemplateDocument{}, fmt.Errorf("check the default template for %s pools: %w", poolType,
			err)
	}
	return checked.Doc, nil
}

// defaultTemplate reads a default template as JSON. The files are YAML, for people to read and copy.
func defaultTemplate(poolType string) (json.RawMessage, error) {
	text, err := defaultTemplates.ReadFile(poolType + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("pools of type %q have no default template", poolType)
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("read the default template for %s pools: %w", poolType, err)
	}
	return document, nil
}
