package berthfile

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/berth-dev/berth/templating/yamldoc"
)

var prefectPlaceholder = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

const (
	prefectVariable = "prefect.variables."
	prefectBlock    = "prefect.blocks."
	prefectContext  = "ctx."
)

// plain fills in what a string of a prefect.yaml takes from the environment. It is of what Berth does not
// render, so that nothing else can be in it.
func (p *prefect) plain(v *yamldoc.Value, where string) *yamldoc.Value {
	return p.text(v, where, false)
}

// values fills in the strings of values that Berth renders: there stored variables and the run at hand work as
// they do in Prefect.
func (p *prefect) values(v *yamldoc.Value, where string) *yamldoc.Value {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case yamldoc.Object:
		p.refuseOlderNames(v.Names, where)
		to := yamldoc.NewObject(v.Place)
		for _, m := range v.Names {
			to.Add(m.Name, m.Place, p.values(m.Value, where+"."+m.Name))
		}
		return to
	case yamldoc.Array:
		items := make([]*yamldoc.Value, 0, len(v.Items))
		for i, item := range v.Items {
			if item = p.values(item, where+itemName(i, item)); item != nil {
				items = append(items, item)
			}
		}
		return yamldoc.List(v.Place, items)
	}
	p.refuseOlder(v, where)
	return p.text(v, where, true)
}

// text fills in the placeholders of a string; rendered says whether Berth fills in what is left.
func (p *prefect) text(v *yamldoc.Value, where string, rendered bool) *yamldoc.Value {
	if v == nil || v.Kind != yamldoc.String || !strings.Contains(v.Text(), "{{") {
		return v
	}
	if block := blockOf(v.Text()); block != "" && p.from.LeaveBlocks {
		p.left(v.Place, where, fmt.Sprintf("it takes the block %s: make a Secret, and refer to it in the work pool's template", block))
		return nil
	}
	return yamldoc.Word(v.Place, prefectPlaceholder.ReplaceAllStringFunc(v.Text(), func(whole string) string {
		name := prefectPlaceholder.FindStringSubmatch(whole)[1]
		if output, ok := p.from.Steps[name]; ok {
			return output
		}
		if variable, ok := strings.CutPrefix(name, "$"); ok {
			value, set := p.from.Env[variable]
			if !set {
				p.fail(v.Place, "%s takes %s from the environment, where it is not set", where, variable)
			}
			return value
		}
		if value, set := p.from.Env[name]; set {
			return value
		}
		return p.other(v, where, name, whole, rendered)
	}))
}

// blockOf names the first block that a string takes, as TYPE/NAME; empty for none.
func blockOf(text string) string {
	for _, found := range prefectPlaceholder.FindAllStringSubmatch(text, -1) {
		if name, ok := strings.CutPrefix(found[1], prefectBlock); ok {
			kind, name, _ := strings.Cut(name, ".")
			name, _, _ = strings.Cut(name, ".")
			return kind + "/" + name
		}
	}
	return ""
}

// other is what becomes of a placeholder for something else than the environment and the outputs of steps.
func (p *prefect) other(v *yamldoc.Value, where, name, whole string, rendered bool) string {
	stored, isStored := strings.CutPrefix(name, prefectVariable)
	switch isContext := strings.HasPrefix(name, prefectContext); {
	case isStored && rendered:
		return "{{ berth.variables." + stored + " }}"
	case isStored:
		p.fail(
			v.Place,
			"%s refers to the variable %s: Berth fills variables into job_variables and parameters only, write the value",
			where,
			stored,
		)
	case isContext && rendered && p.contextual:
		return "{{ " + name + " }}"
	case isContext:
		p.fail(v.Place, "%s refers to the run at hand: %s; Berth fills it into job_variables and templates only", where,
			whole)
	case strings.HasPrefix(name, prefectBlock):
		p.fail(v.Place,
			"%s refers to a block, which Berth does not have: %s; take a stored variable or a Secret",
			where, whole)
	case strings.Contains(name, "."):
		p.fail(v.Place, "%s refers to the output of a step, and Berth runs no steps: %s; set it with --step %s=VALUE",
			where, whole, name)
	default:
		p.fail(v.Place, "%s takes %s from the environment, where it is not set; for the output of a step, set it with "+
			"--step %s=VALUE", where, name, name)
	}
	return whole
}
