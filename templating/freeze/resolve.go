package freeze

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Unknown is a frozen name that stands for no value.
type Unknown struct {
	Index   int // in the list of names
	Name    string
	Nearest string // a name that was likely meant; empty: none
}

// Variables returns the job variables that a deployment's frozen names stand for, and the names without a
// value. Values may be written in any form that job variables have: with dotted keys, env as a list.
func Variables(values map[string]any, names []string) ([]Value, []Unknown) {
	if len(names) == 0 {
		return nil, nil
	}
	return resolveAll(expand(values), names)
}

// Parameters is Variables for parameters, whose names are taken as they are.
func Parameters(values map[string]any, names []string) ([]Value, []Unknown) {
	return resolveAll(values, names)
}

func resolveAll(values map[string]any, names []string) ([]Value, []Unknown) {
	var found []Value
	var unknown []Unknown
	for i, name := range names {
		if v, ok := resolve(values, name); ok {
			found = append(found, v)
			continue
		}
		unknown = append(unknown, Unknown{
			Index: i, Name: name, Nearest: problem.Nearest(name, leafNames(values)),
		})
	}
	return found, unknown
}

func resolve(values map[string]any, name string) (Value, bool) {
	if path, v, ok := find(values, name); ok {
		return Value{Path: path, Value: v}, true
	}
	if !strings.HasPrefix(name, "/") {
		return Value{}, false
	}
	path := problem.PointerSteps(name)
	v, ok := value.Walk(values, path)
	return Value{Path: path, Value: v}, ok
}

// find follows a dotted name. Where members have dots in their names, the longest one that leads to a value
// is taken.
func find(at any, name string) ([]string, any, bool) {
	switch container := at.(type) {
	case map[string]any:
		if v, ok := container[name]; ok {
			return []string{name}, v, true
		}
		for cut := strings.LastIndexByte(name, '.'); cut > 0; cut = strings.LastIndexByte(name[:cut], '.') {
			inner, ok := container[name[:cut]]
			if !ok {
				continue
			}
			if path, v, ok := find(inner, name[cut+1:]); ok {
				return append([]string{name[:cut]}, path...), v, true
			}
		}
	case []any:
		step, rest, more := strings.Cut(name, ".")
		item, ok := value.Walk(container, []string{step})
		switch {
		case ok && !more:
			return []string{step}, item, true
		case ok:
			if path, v, ok := find(item, rest); ok {
				return append([]string{step}, path...), v, true
			}
		}
	}
	return nil, nil, false
}

// expand writes job variables out: dotted keys as objects, an env that is a list as one. What is written out
// beats what is dotted. Values that contradict each other are reported where they are checked.
func expand(values map[string]any) map[string]any {
	expanded := make(map[string]any, len(values))
	for key, v := range values {
		if key == envVariable {
			v = envEntries(v)
		}
		if !strings.Contains(key, ".") {
			expanded[key] = v
		}
	}
	for _, key := range value.SortedKeys(values) {
		if !strings.Contains(key, ".") {
			continue
		}
		dotted := Value{Path: ParseKey(key), Value: values[key]}
		if _, ok := value.Walk(expanded, dotted.Path); !ok {
			dotted.Set(expanded)
		}
	}
	return expanded
}

// envEntries is an environment as an object; one that is no list is returned as it is.
func envEntries(env any) any {
	list, ok := env.([]any)
	if !ok {
		return env
	}
	entries := make(map[string]any, len(list))
	for _, item := range list {
		object, _ := item.(map[string]any)
		name, ok := object["name"].(string)
		if !ok {
			continue
		}
		entries[name] = ""
		if source, ok := object["valueFrom"]; ok {
			entries[name] = map[string]any{"valueFrom": source}
		} else if v, ok := object["value"]; ok {
			entries[name] = v
		}
	}
	return entries
}

// maxNames bounds the names that a misspelt one is compared with.
const maxNames = 500

// leafNames returns the names of all members, those inside objects with dots.
func leafNames(values map[string]any) []string {
	var names []string
	var walk func(prefix string, object map[string]any)
	walk = func(prefix string, object map[string]any) {
		for _, key := range value.SortedKeys(object) {
			if len(names) >= maxNames {
				return
			}
			names = append(names, prefix+key)
			if inner, ok := object[key].(map[string]any); ok {
				walk(prefix+key+".", inner)
			}
		}
	}
	walk("", values)
	return names
}

// StoredNames returns the names of the stored variables that frozen values refer to, sorted, each once.
func StoredNames(frozen []Value) []string {
	names := map[string]bool{}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			for _, name := range engine.StoredNames(v) {
				names[name] = true
			}
		case []any:
			for _, item := range v {
				collect(item)
			}
		case map[string]any:
			for _, item := range v {
				collect(item)
			}
		}
	}
	for _, f := range frozen {
		collect(f.Value)
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

// Object is frozen values by their keys, the form in which they travel to a worker.
func Object(frozen []Value) map[string]any {
	object := make(map[string]any, len(frozen))
	for _, f := range frozen {
		object[f.Key()] = f.Value
	}
	return object
}

func index(i int) string { return strconv.Itoa(i) }
