package templating

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/problem"
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

// resolver replaces references to stored variables, and to the run at hand, inside given values. Everything else
// in them stays the text it is.
type resolver struct {
	from     engine.ValueSource
	problems Problems
	// filled is how much text the values have taken so far.
	filled int
}

// maxFilled bounds the text of the values of a run that placeholders are filled into: each may take all of the
// parameters.
const maxFilled = 4 << 20

// resolve returns v itself where there is nothing to replace.
func (r *resolver) resolve(v any, pointer string) (any, bool) {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "{{") {
			return v, true
		}
		if r.filled > maxFilled {
			return nil, false // said already
		}
		resolved, ok, problems := engine.ResolveValue(pointer, v, r.from)
		r.problems = append(r.problems, problems...)
		if r.filled += sizeOf(resolved); r.filled > maxFilled {
			r.problems = append(r.problems, problem.Errorf(CodeLimit, pointer,
				"the job variables have more than %d bytes once their placeholders are filled in", maxFilled))
			return nil, false
		}
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

// sizeOf is roughly how much text a value has.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := 2
		for _, item := range v {
			n += sizeOf(item)
		}
		return n
	case map[string]any:
		n := 2
		for key, item := range v {
			n += len(key) + sizeOf(item)
		}
		return n
	default:
		return 8
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
