package templating

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/value"
)

// StoredReferences returns the names of the stored variables that values refer to, sorted, each once.
func StoredReferences(values ...any) []string {
	names := map[string]bool{}
	for _, v := range values {
		collectStored(v, names, 0)
	}
	return sortedNames(names)
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func collectStored(v any, names map[string]bool, depth int) {
	if depth > value.MaxDepth {
		return // nothing that deep is ever rendered
	}
	switch v := v.(type) {
	case string:
		for _, name := range engine.StoredNames(v) {
			names[name] = true
		}
	case []any:
		for _, item := range v {
			collectStored(item, names, depth+1)
		}
	case map[string]any:
		for _, item := range v {
			collectStored(item, names, depth+1)
		}
	}
}

// resolver replaces references to stored variables inside given values. Everything else in them stays the
// text it is.
type resolver struct {
	stored   map[string]any
	problems Problems
}

// resolve returns v itself where there is nothing to replace.
func (r *resolver) resolve(v any, pointer string) (any, bool) {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "{{") {
			return v, true
		}
		resolved, ok, problems := engine.ResolveStored(pointer, v, r.stored)
		r.problems = append(r.problems, problems...)
		return resolved, ok
	case []any:
		if !refersToStored(v) {
			return v, true
		}
		list := make([]any, 0, len(v))
		for i, item := range v {
			if resolved, ok := r.resolve(item, value.Pointer(pointer, strconv.Itoa(i))); ok {
				list = append(list, resolved)
			}
		}
		return list, true
	case map[string]any:
		if !refersToStored(v) {
			return v, true
		}
		object := make(map[string]any, len(v))
		for _, key := range value.SortedKeys(v) {
			if resolved, ok := r.resolve(v[key], value.Pointer(pointer, key)); ok {
				object[key] = resolved
			}
		}
		return object, true
	default:
		return v, true
	}
}

// refersToStored is true where a value holds a reference that resolve would replace or refuse.
func refersToStored(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "{{")
	case []any:
		return slices.ContainsFunc(v, refersToStored)
	case map[string]any:
		for _, item := range v {
			if refersToStored(item) {
				return true
			}
		}
	}
	return false
}
