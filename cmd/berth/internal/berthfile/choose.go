package berthfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/yamldoc"
)

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// choose keeps of a berth.yaml only the deployments that are wanted, and everything else as it is.
func (s Source) choose(path string, root *yamldoc.Value) (*yamldoc.Value, Problems) {
	deployments := root.Get("deployments")
	if len(s.Only) == 0 || root.Kind != yamldoc.Object || deployments == nil {
		return root, s.unknownNames(path, nil)
	}
	var names []string
	var chosen []*yamldoc.Value
	for _, item := range deployments.Items {
		name := item.Get("name")
		if name == nil {
			continue
		}
		names = append(names, name.Text())
		if slices.Contains(s.Only, name.Text()) {
			chosen = append(chosen, item)
		}
	}
	to := yamldoc.NewObject(root.Place)
	for _, m := range root.Names {
		if m.Name == "deployments" {
			m.Value = yamldoc.List(m.Value.Place, chosen)
		}
		to.Add(m.Name, m.Place, m.Value)
	}
	return to, s.unknownNames(path, names)
}

// unknownNames complains about names that were wanted and are not there.
func (s Source) unknownNames(path string, known []string) Problems {
	var problems Problems
	for _, name := range s.Only {
		if !slices.Contains(known, name) {
			problems = append(problems, Problem{
				File: path, Message: fmt.Sprintf("--only %s: the file has no such deployment", name),
				Suggestion: suggestion(name, slices.Clone(known)),
			})
		}
	}
	return problems
}

// prefectDeployment is a deployment of a prefect.yaml with the name that it gets.
type prefectDeployment struct {
	index int
	value *yamldoc.Value
	name  *yamldoc.Value
	flow  string
}

// where is how messages speak of it.
func (d prefectDeployment) where() string {
	if d.name != nil && d.name.Kind == yamldoc.String && d.name.Text() != "" {
		return "deployments." + d.name.Text()
	}
	return "deployments" + itemName(d.index, d.value)
}

// named reads the names of the deployments. An entry without any name, as `prefect init` writes it, is skipped.
// In Prefect a name belongs to a flow, so that two flows may have deployments of one name.
func (p *prefect) named(items []*yamldoc.Value) []prefectDeployment {
	var deployments []prefectDeployment
	flows := map[string][]string{}
	for i, item := range items {
		d := prefectDeployment{index: i, value: item, flow: flowOf(item)}
		if item.Kind == yamldoc.Object {
			pool := item.Get("work_pool")
			if given(item.Get("name")) == nil && (given(pool) == nil || given(pool.Get("name")) == nil) {
				p.left(item.Place, "deployments"+itemName(i, item), "it has no name, as `prefect init` writes it")
				continue
			}
			if name := item.Get("name"); name != nil {
				d.name = p.words(name, "deployments"+itemName(i, item)+".name")
			}
			if d.name != nil && !slices.Contains(flows[d.name.Text()], d.flow) {
				flows[d.name.Text()] = append(flows[d.name.Text()], d.flow)
			}
		}
		deployments = append(deployments, d)
	}
	for i, d := range deployments {
		if d.name == nil || d.flow == "" || len(flows[d.name.Text()]) < 2 {
			continue
		}
		name := d.flow + "-" + d.name.Text()
		p.note(d.name.Place, "deployment %s/%s becomes %s: another flow of the file has a deployment %q, and names "+
			"of Berth belong to no flow", d.flow, d.name.Text(), name, d.name.Text())
		deployments[i].name = yamldoc.Word(d.name.Place, name)
	}
	return deployments
}

// flowOf is the name of a deployment's flow, as far as the file has it: that of its function.
func flowOf(deployment *yamldoc.Value) string {
	if name := given(deployment.Get("flow_name")); name != nil && name.Kind == yamldoc.String {
		return name.Text()
	}
	entrypoint := given(deployment.Get("entrypoint"))
	if entrypoint == nil || entrypoint.Kind != yamldoc.String {
		return ""
	}
	_, function, _ := strings.Cut(entrypoint.Text(), ":")
	return strings.ReplaceAll(function[strings.LastIndexByte(function, '.')+1:], "_", "-")
}

// wanted are the deployments that --only names: by name, or as flow/name.
func (p *prefect) wanted(deployments []prefectDeployment) []prefectDeployment {
	if len(p.from.Only) == 0 {
		return deployments
	}
	var known []string
	var chosen []prefectDeployment
	for _, d := range deployments {
		if d.name == nil {
			continue
		}
		names := []string{d.name.Text(), d.flow + "/" + strings.TrimPrefix(d.name.Text(), d.flow+"-")}
		known = append(known, names...)
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(p.from.Only, name) }) {
			chosen = append(chosen, d)
		}
	}
	p.problems = append(p.problems, p.from.unknownNames(p.file, known)...)
	return chosen
}
