package manifest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Lint is templating.Lint with the check of Jobs, and names every job variable through which a reference can
// reach the Job.
func Lint(r *templating.Registry, t *templating.Template, protected reference.Protected) templating.Report {
	report := templating.Lint(r, t, CheckFor(protected))
	compiled, err := r.Compile(t)
	if compiled == nil || err != nil {
		return report
	}
	report.Warnings = append(report.Warnings, ReachWarnings(compiled)...)
	sortProblems(report.Warnings)
	return report
}

// ReachWarnings names every job variable through which a reference can reach the Job.
func ReachWarnings(c *templating.Compiled) []templating.Problem {
	var warnings []templating.Problem
	reaches, skipped := Reaches(c)
	for _, reach := range reaches {
		warnings = append(warnings, reach.problem())
	}
	if len(skipped) > 0 {
		warnings = append(warnings, warning(templating.CodeReference, "/variables", "whether a reference can reach "+
			"the Job through %d of the variables, such as %q, was not checked: the template takes too much work",
			len(skipped), skipped[0]))
	}
	return warnings
}

// Reach is a job variable through which a reference can reach the Job.
type Reach struct {
	Variable string
	Kind     reference.Kind
	// Name is the field or the type of volume; empty for objects that have a name of their kind.
	Name string
	// Namespace is that of the Job; empty means the worker's.
	Namespace string
}

// String says what the variable can do.
func (r Reach) String() string {
	switch r.Kind {
	case reference.Field, reference.Volume, reference.Token:
		return fmt.Sprintf("variable %q can bring %s into the Job", r.Variable,
			reference.Reference{Kind: r.Kind, Name: r.Name})
	case reference.Label, reference.Annotation:
		return fmt.Sprintf("variable %q can set any %s of the Job and its pods", r.Variable, r.Kind)
	case reference.Namespace:
		return fmt.Sprintf("variable %q can name any namespace that the worker serves", r.Variable)
	}
	switch r.Kind {
	case reference.NodeLabel:
		return fmt.Sprintf("variable %q can select nodes by any label", r.Variable)
	case reference.Toleration:
		return fmt.Sprintf("variable %q can tolerate any taint", r.Variable)
	case reference.PriorityClass:
		return fmt.Sprintf("variable %q can name any PriorityClass", r.Variable)
	}
	where := "the worker's namespace"
	if r.Namespace != "" {
		where = fmt.Sprintf("namespace %q", r.Namespace)
	}
	return fmt.Sprintf("variable %q can name any %s of %s", r.Variable, r.Kind, where)
}

func (r Reach) problem() templating.Problem {
	p := warning(templating.CodeReference, "/variables/properties/"+
		strings.NewReplacer("~", "~0", "/", "~1").Replace(r.Variable), "%s; runs may only use what the template "+
		"writes or the work pool allows", r)
	p.Suggestion = "restrict the variable to text, or to an enum"
	if flag := r.Kind.Flag(); flag != "" {
		p.Suggestion += ", or list what it may name: berth pool update POOL " + flag + " NAME"
	}
	return p
}

// probe is the name that no template writes: where it turns up in a Job, a variable brought it.
const probe = "berth-lint-probe"

// probeKey is the key of a label or annotation that no template writes.
const probeKey = probe + ".example.com/key"

// maxProbeFuel bounds the work of all probes of a template. A step of validating counts as much as many of
// rendering.
const (
	maxProbeFuel        = 10_000_000
	fuelOfValidation    = 50
	fuelOfFailingRender = 5_000
)

// Reaches tries each variable with values that name an object called as the probe, in each form in which a
// manifest may refer to one, and looks for it in the Job. So it does not matter how the template passes a value
// on: whole, dotted, nested, through functions or as text. Values that the schema refuses are none. skipped are
// the variables that were not tried, because trying the others took too much work.
func Reaches(c *templating.Compiled) (found []Reach, skipped []string) {
	p := prober{compiled: c, samples: c.Samples(templating.Layers{}), seen: map[Reach]bool{}}
	paths := map[string][][]string{}
	for _, r := range c.References() {
		if r.Kind == templating.ReferenceVariable {
			paths[r.Root()] = append(paths[r.Root()], r.Path())
		}
	}
	properties, _ := c.VariablesSchema()["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p.fuel > maxProbeFuel {
			skipped = append(skipped, name)
			continue
		}
		property, _ := properties[name].(map[string]any)
		kind, _ := property["type"].(string)
		for _, v := range probes() {
			if mayBe(kind, v) {
				p.try(name, v)
			}
		}
		for _, path := range paths[name] {
			if len(path) > 0 {
				p.try(name, nested(path))
			}
		}
	}
	return p.found, skipped
}

// mayBe is false for values of another type than the schema says, which saves asking the schema.
func mayBe(kind string, v any) bool {
	switch v.(type) {
	case string:
		return kind == "" || kind == "string"
	case []any:
		return kind == "" || kind == "array" || kind == "object" // env is taken in either form
	default:
		return kind == "" || kind == "object"
	}
}

type prober struct {
	compiled *templating.Compiled
	samples  map[string]any
	seen     map[Reach]bool
	found    []Reach
	fuel     int64
}

// try renders the template with one value of one variable.
func (p *prober) try(name string, v any) {
	if p.fuel > maxProbeFuel {
		return
	}
	vars := maps.Clone(p.samples)
	vars[name] = v
	layers := templating.Layers{Run: vars}
	p.fuel += int64(p.compiled.ValidationSteps(layers, nil)) * fuelOfValidation
	if _, err := p.compiled.ValidateRun(layers, nil); err != nil && concerns(err, name) {
		return
	}
	stored := map[string]any{}
	for _, name := range p.compiled.StoredReferences() {
		stored[name] = "sample"
	}
	rendered, err := p.compiled.Render(context.Background(), templating.Input{Layers: layers, Stored: stored})
	if err != nil {
		p.fuel += fuelOfFailingRender
		return
	}
	p.fuel += rendered.Used.Fuel + 100
	b := &builder{
		id: SampleIdentity(), configuration: rendered.Configuration, finished: &Finished{StreamOutput: true},
	}
	tree, ok := b.manifestTree()
	if !ok {
		return
	}
	namespace := b.namespace()
	b.rendered = rendered
	p.look(name, b, b.reshape(tree), namespace)
}

// look finds the probe among the references of a Job.
func (p *prober) look(name string, b *builder, job map[string]any, namespace string) {
	if metadata, ok := job["metadata"].(map[string]any); ok && metadata["namespace"] != nil {
		namespace, _ = metadata["namespace"].(string)
	}
	if namespace == probe {
		p.keep(Reach{Variable: name, Kind: reference.Namespace})
		namespace = ""
	}
	p.lookAtMetadata(name, b, job)
	for _, r := range reference.Find(job) {
		reach := Reach{Variable: name, Kind: r.Kind, Namespace: namespace}
		switch {
		case r.Kind == reference.Field || r.Kind == reference.Volume || r.Kind == reference.Token:
			reach.Name, reach.Namespace = r.Name, ""
			if !holds(r.Node) || r.Kind == reference.Field && isPlacement(r.Name) && b.offers(r) {
				continue
			}
		case r.Kind == reference.NodeLabel || r.Kind == reference.Toleration:
			reach.Namespace = ""
			if r.Name != probe && !holds(r.Node) || b.offers(r) {
				continue
			}
		case r.Name != probe && r.Key != probe:
			continue
		}
		p.keep(reach)
	}
}

// lookAtMetadata finds the probe among the keys of labels and annotations.
func (p *prober) lookAtMetadata(name string, b *builder, job map[string]any) {
	spec, _ := job["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	for _, place := range []any{job["metadata"], template["metadata"], b.configuration} {
		metadata, _ := place.(map[string]any)
		for key, kind := range map[string]reference.Kind{
			keyLabels: reference.Label, keyAnnotations: reference.Annotation,
		} {
			values, _ := metadata[key].(map[string]any)
			if _, set := values[probeKey]; set {
				p.keep(Reach{Variable: name, Kind: kind})
			}
		}
	}
}

// isPlacement is true for fields that say where pods run. A template that writes one with a variable offers
// just that.
func isPlacement(field string) bool {
	return field == "affinity" || field == "runtimeClassName" || field == "schedulerName"
}

func (p *prober) keep(r Reach) {
	if !p.seen[r] {
		p.seen[r] = true
		p.found = append(p.found, r)
	}
}

// concerns is true where what is wrong with the values is the variable's own.
func concerns(err error, name string) bool {
	return slices.ContainsFunc(templating.AsProblems(err), func(p templating.Problem) bool {
		return isAt(p.Pointer, "/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	})
}

func isAt(pointer, place string) bool {
	return pointer == place || strings.HasPrefix(pointer, place+"/")
}

// holds is true where the probe stands somewhere in a value.
func holds(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, probe)
	case map[string]any:
		for _, item := range v {
			if holds(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holds)
	}
	return false
}

// nested is the probe at the end of a path.
func nested(path []string) any {
	var v any = probe
	for i := len(path) - 1; i >= 0; i-- {
		v = map[string]any{path[i]: v}
	}
	return v
}
