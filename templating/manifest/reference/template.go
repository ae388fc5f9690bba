package reference

import (
	"maps"
	"slices"
	"strings"
)

// Template is a base job template as it was written: what decides whether a reference is its own.
type Template struct {
	// Configuration is job_configuration with its placeholders.
	Configuration any
	// Variables is the JSON Schema of the job variables, Frozen the values that the template fixes.
	Variables map[string]any
	Frozen    map[string]any
}

// Offers reports whether the template itself writes the reference at its place. first is the name of the
// Job's first container, which gets the env of job_configuration.
func (t Template) Offers(r Reference, first string) bool {
	configuration, _ := t.Configuration.(map[string]any)
	manifest := configuration["job_manifest"]
	if text, ok := manifest.(string); ok && !isWhole(text) {
		return t.textOffers(text, r)
	}
	nodes := t.descend(manifest, r.Path)
	env := []string{"spec", "template", "spec", "containers", "[" + first + "]", "env"}
	if len(r.Path) > len(env) && slices.Equal(r.Path[:len(env)], env) {
		nodes = append(nodes, t.descend(configuration["env"], r.Path[len(env):])...)
	}
	return slices.ContainsFunc(nodes, func(node any) bool { return t.writes(node, r) })
}

// OffersNamespace reports whether the template itself writes the namespace of its Jobs.
func (t Template) OffersNamespace(name string) bool {
	configuration, _ := t.Configuration.(map[string]any)
	nodes := t.descend(configuration["job_manifest"], []string{"metadata", "namespace"})
	if text, ok := configuration["job_manifest"].(string); ok && !isWhole(text) {
		r := Reference{Kind: Namespace, Name: name, Path: []string{"metadata", "namespace"}, Node: name}
		if t.textOffers(text, r) {
			return true
		}
	}
	return slices.ContainsFunc(append(nodes, configuration["namespace"]), func(node any) bool {
		text, ok := node.(string)
		return ok && t.matches(text, name)
	})
}

// descend returns what the template writes at a path. A placeholder on the way stands for the values that the
// template gives its variable; an expression is returned itself, as what its constants may build.
func (t Template) descend(node any, path []string) []any {
	if len(path) == 0 {
		return []any{node}
	}
	var found []any
	switch node := node.(type) {
	case map[string]any:
		if path[0] != anyItem {
			if child, ok := node[path[0]]; ok {
				return t.descend(child, path[1:])
			}
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(node)) { // env as a mapping
			found = append(found, t.descend(node[key], path[1:])...)
		}
	case []any:
		for _, item := range node {
			if t.isItem(item, path[0]) {
				found = append(found, t.descend(item, path[1:])...)
			}
		}
	case declared:
		for _, below := range t.below(node, path[0]) {
			found = append(found, t.descend(below, path[1:])...)
		}
	case string:
		if name, ok := wholeName(node); ok {
			for _, v := range t.given(name) {
				found = append(found, t.descend(v, path)...)
			}
			if schema := t.schemaOf(name); schema != nil {
				found = append(found, t.descend(schema, path)...)
			}
		} else if strings.Contains(node, "{{") {
			found = append(found, expression(node))
		}
	}
	return found
}

// expression is a leaf of a template that may build structure, such as `{{ list (dict "name" "db") }}`.
type expression string

// isItem reports whether an item of a list of the template can be the one that a step of a path leads to.
func (t Template) isItem(item any, step string) bool {
	if step == anyItem {
		return true
	}
	object, isObject := item.(map[string]any)
	if !isObject {
		_, isText := item.(string)
		return isText
	}
	name, _ := object["name"].(string)
	return step == "["+name+"]" || strings.Contains(name, "{{") && t.matches(name, strings.Trim(step, "[]")) ||
		strings.Contains(name, "{{") && !t.isClosed(name)
}

// writes reports whether a node of the template, at the reference's place, is the reference.
func (t Template) writes(node any, r Reference) bool {
	switch r.Kind {
	case Field, Token:
		if code, ok := node.(expression); ok {
			return slices.Contains(constants(string(code)), r.Name)
		}
		return t.unifies(r.Node, node, false)
	case NodeLabel:
		return t.writesLabel(node, r)
	case Toleration:
		return t.writesToleration(node, r)
	case Volume:
		return t.unifies(r.Node, node, true)
	}
	switch node := node.(type) {
	case expression:
		words := constants(string(node))
		return slices.Contains(words, r.Name) && (r.Key == "" || slices.Contains(words, r.Key))
	case string:
		if r.Kind == ServiceAccount || r.Kind == PriorityClass {
			return t.matches(node, r.Name)
		}
		if name, ok := wholeName(node); ok {
			return slices.ContainsFunc(t.given(name), func(v any) bool {
				_, isText := v.(string)
				return !isText && t.writes(v, r) || isText && v == r.Name
			})
		}
		if strings.Contains(node, "{{") {
			return t.writes(expression(node), r)
		}
		return node == r.Name
	case map[string]any:
		return t.writesObject(node, r)
	}
	return false
}

// nameFields are the fields that hold the name of what is referred to.
var nameFields = [...]string{
	"name", "secretName", "claimName", "resourceClaimName", "resourceClaimTemplateName",
}

func (t Template) writesObject(object map[string]any, r Reference) bool {
	named := slices.ContainsFunc(nameFields[:], func(field string) bool {
		text, ok := object[field].(string)
		return ok && t.matches(text, r.Name)
	})
	if !named {
		return false
	}
	if key, ok := object["key"].(string); ok {
		return r.Key != "" && t.matches(key, r.Key)
	}
	if object["items"] == nil {
		return true
	}
	items, _ := object["items"].([]any)
	return r.Key != "" && slices.ContainsFunc(items, func(item any) bool {
		entry, _ := item.(map[string]any)
		key, _ := entry["key"].(string)
		return t.matches(key, r.Key)
	})
}

// unifies reports whether a value of the Job can be what the template writes. Unless strict, a placeholder in
// the template stands for any scalar: the template offers the variable there. Structure is written by the
// template, given by it to the variable, or declared in the schema of the variable.
func (t Template) unifies(v, node any, strict bool) bool {
	switch node := node.(type) {
	case declared:
		return !strict && t.declares(node, v, 0)
	case expression:
		return !strict && keysAre(v, constants(string(node)))
	case string:
		if name, ok := wholeName(node); ok {
			if !strict && (isScalar(v) || t.declares(t.schemaOf(name), v, 0)) {
				return true
			}
			return slices.ContainsFunc(t.given(name), func(given any) bool { return t.unifies(v, given, strict) })
		}
		if !strict && strings.Contains(node, "{{") {
			return t.unifies(v, expression(node), false)
		}
		text, ok := scalarText(v)
		return ok && t.matches(node, text)
	case map[string]any:
		object, ok := v.(map[string]any)
		if !ok {
			return false
		}
		for key, item := range object {
			if item != nil && !t.unifies(item, node[key], strict) {
				return false
			}
		}
		return true
	case []any:
		list, ok := v.([]any)
		return ok && !slices.ContainsFunc(list, func(item any) bool {
			return !slices.ContainsFunc(node, func(n any) bool { return t.unifies(item, n, strict) })
		})
	}
	given, ok := scalarText(v)
	written, ok2 := scalarText(node)
	return ok && ok2 && given == written
}
