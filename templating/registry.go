package templating

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
)

// Registry knows the engines by name. It is immutable.
type Registry struct {
	engines map[string]Engine
	names   []string
}

// NewRegistry makes a registry of exactly these engines.
func NewRegistry(engines ...Engine) (*Registry, error) {
	r := &Registry{engines: make(map[string]Engine, len(engines))}
	for _, engine := range engines {
		name := engine.Name()
		if name == "" || strings.TrimSpace(name) != name {
			return nil, fmt.Errorf("register engine: invalid name %q", name)
		}
		if _, twice := r.engines[name]; twice {
			return nil, fmt.Errorf("register engine %q: already registered", name)
		}
		r.engines[name] = engine
		r.names = append(r.names, name)
	}
	slices.Sort(r.names)
	return r, nil
}

// DefaultRegistry holds the engines that Berth comes with.
func DefaultRegistry() *Registry {
	placeholder, gotemplate := PlaceholderEngine(), GoTemplateEngine()
	return &Registry{
		engines: map[string]Engine{placeholder.Name(): placeholder, gotemplate.Name(): gotemplate},
		names:   []string{gotemplate.Name(), placeholder.Name()},
	}
}

// Engines lists the names of the engines, sorted.
func (r *Registry) Engines() []string { return slices.Clone(r.names) }

// lookup finds the engine of a template.
func (r *Registry) lookup(name string) (Engine, *Problem) {
	if name == "" {
		name = DefaultEngine
	}
	if engine, ok := r.engines[name]; ok {
		return engine, nil
	}
	p := problem.Errorf(CodeEngine, "/engine", "unknown engine %q; the engines are %s", name,
		strings.Join(r.names, ", ")).SuggestNearest(name, r.names)
	return nil, &p
}
