package berthfile

import (
	"regexp"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/yamldoc"
)

var prefectPlaceholder = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

const prefectVariable = "prefect.variables."

// plain fills in what a string of a prefect.yaml takes from the environment. It is of what Berth does not
// render, so that nothing else can be in it.
func (p *prefect) plain(v *yamldoc.Value, where string) *yamldoc.Value {
	return p.text(v, where, false)
}

// values fills in the strings of values that Berth renders: there stored variables work as they do in
// Prefect.
func (p *prefect) values(v *yamldoc.Value, where string) *yamldoc.Value {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case yamldoc.Object:
		to := yamldoc.NewObject(v.Place)
		for _, m := range v.Names {
			to.Add(m.Name, m.Place, p.values(m.Value, where+"."+m.Name))
		}
		return to
	case yamldoc.Array:
		items := make([]*yamldoc.Value, 0, len(v.Items))
		for i, item := range v.Items {
			items = append(items, p.values(item, where+itemName(i, item)))
		}
		return yamldoc.List(v.Place, items)
	}
	return p.text(v, where, true)
}

func (p *prefect) text(v *yamldoc.Value, where string, rendered bool) *yamldoc.Value {
	if v == nil || v.Kind != yamldoc.String || !strings.Contains(v.Text(), "{{") {
		return v
	}
	return yamldoc.Word(v.Place, prefectPlaceholder.ReplaceAllStringFunc(v.Text(), func(whole string) string {
		name := prefectPlaceholder.FindStringSubmatch(whole)[1]
		if variable, ok := strings.CutPrefix(name, "$"); ok {
			value, set := p.env[variable]
			if !set {
				p.fail(v.Place, "%s takes %s from the environment, where it is not set", where, variable)
			}
			return value
		}
		stored, ok := strings.CutPrefix(name, prefectVariable)
		switch {
		case ok && rendered:
			return "{{ berth.variables." + stored + " }}"
		case ok:
			p.fail(
				v.Place,
				"%s refers to the variable %s: Berth fills variables into job_variables and parameters only, write the value",
				where,
				stored,
			)
		case strings.HasPrefix(name, "prefect.blocks."):
			p.fail(v.Place,
				"%s refers to a block, which Berth does not have: %s; take a stored variable or a Secret",
				where, whole)
		default:
			p.fail(
				v.Place,
				"%s refers to the output of a step that Berth does not run: %s; write the value, or take it from the environment as {{ $NAME }}",
				where,
				whole,
			)
		}
		return whole
	}))
}
