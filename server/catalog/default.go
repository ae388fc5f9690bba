package catalog

import (
	"embed"
	"fmt"

	"github.com/berth-dev/berth/server/store"
)

//go:embed kubernetes.yaml process.yaml
var defaultTemplates embed.FS

// Default returns the template of a pool of this type that is created without one.
func (c *Catalog) Default(poolType string) (store.TemplateDocument, error) {
	source, err := defaultTemplates.ReadFile(poolType + ".yaml")
	if err != nil {
		return store.TemplateDocument{}, fmt.Errorf("pools of type %q have no default template", poolType)
	}
	checked, err := c.CheckSent(Sent{Source: string(source)})
	if err != nil {
		return store.TemplateDocument{}, fmt.Errorf("check the default template for %s pools: %w", poolType,
			err)
	}
	return checked.Doc, nil
}
