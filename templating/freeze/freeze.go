// Package freeze decides about frozen values: which value a frozen name stands for, whether values from a
// level below override it, and what becomes of them.
//
// A frozen name is a path into values. Its steps are names of members and positions in lists: `image`,
// `env.MODE`, `resources.limits.cpu`, `args.0`. Names that hold dots need no quotes, because the name is
// resolved against the values that it freezes; where that is not enough, a JSON pointer does as well:
// `/labels/app.kubernetes.io~1name`. Names are case sensitive, as everywhere else.
//
// A frozen value holds at its path. What is around it stays free: an object that is replaced as a whole gets
// the frozen value put back, and is refused only if it says something else there.
package freeze

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// envVariable is the job variable whose entries have names with dots, and which may be a list.
const envVariable = "env"

// Value is a frozen value with its place.
type Value struct {
	Path  []string // never empty
	Value any
}

// Name is the frozen name as people write it.
func (v Value) Name() string { return strings.Join(v.Path, ".") }

// Pointer is the place as a JSON pointer.
func (v Value) Pointer() string {
	pointer := ""
	for _, step := range v.Path {
		pointer = value.Pointer(pointer, step)
	}
	return pointer
}

// Key is the name that ParseKey reads back to the same path, whatever its steps hold.
func (v Value) Key() string {
	if len(v.Path) == 1 && !strings.ContainsAny(v.Path[0], "./~") {
		return v.Path[0]
	}
	return v.Pointer()
}

// ParseKey returns the path of a key, which is a JSON pointer or names joined by dots. What follows `env.` is
// one name: names of environment variables may hold dots.
func ParseKey(key string) []string {
	if strings.HasPrefix(key, "/") {
		return problem.PointerSteps(key)
	}
	root, rest, dotted := strings.Cut(key, ".")
	switch {
	case !dotted:
		return []string{key}
	case root == envVariable:
		return []string{root, rest}
	}
	return strings.Split(key, ".")
}

// Overridden reports whether a level sets something else at the place of the frozen value. A level that says
// nothing there does not: the frozen value is put back with Set.
func (v Value) Overridden(level map[string]any) bool {
	for i := range v.Path {
		// A member may be named with dots, such as "opts.mode" for what is frozen as mode in opts.
		at, set := level[strings.Join(v.Path[:i+1], ".")]
		if set && v.differsIn(at, v.Path[i+1:]) {
			return true
		}
	}
	return false
}

// differsIn follows the rest of the path into what a level sets.
func (v Value) differsIn(at any, rest []string) bool {
	for i, step := range rest {
		switch container := at.(type) {
		case map[string]any:
			inner, set := container[step]
			if !set {
				return false
			}
			at = inner
		case []any:
			item, set := value.Walk(container, rest[i:i+1])
			if !set {
				return true // a shorter list has no place for the value
			}
			at = item
		default:
			return true
		}
	}
	return !value.Equal(at, v.Value)
}

// Set puts the value into values, whose objects and lists along the path are copied, not changed. It returns
// false where there is no place for it: inside a value that is no object, or beyond the end of a list.
func (v Value) Set(values map[string]any) bool {
	changed, ok := set(values[v.Path[0]], v.Path[1:], v.Value)
	if ok {
		values[v.Path[0]] = changed
	}
	return ok
}

func set(at any, rest []string, to any) (any, bool) {
	if len(rest) == 0 {
		return value.Copy(to), true
	}
	switch container := at.(type) {
	case nil:
		inner, ok := set(nil, rest[1:], to)
		return map[string]any{rest[0]: inner}, ok
	case map[string]any:
		inner, ok := set(container[rest[0]], rest[1:], to)
		if !ok {
			return nil, false
		}
		copied := make(map[string]any, len(container)+1)
		for key, item := range container {
			copied[key] = item
		}
		copied[rest[0]] = inner
		return copied, true
	case []any:
		for i := range container {
			if index(i) != rest[0] {
				continue
			}
			inner, ok := set(container[i], rest[1:], to)
			copied := slices.Clone(container)
			copied[i] = inner
			return copied, ok
		}
	}
	return nil, false
}

// Conflicts reports whether two frozen values contradict each other.
func (v Value) Conflicts(other Value) bool {
	switch n := min(len(v.Path), len(other.Path)); {
	case !slices.Equal(v.Path[:n], other.Path[:n]):
		return false
	case n == len(v.Path): // v holds what the other one is in
		at, ok := value.Walk(v.Value, other.Path[n:])
		return !ok || !value.Equal(at, other.Value)
	}
	return other.Conflicts(v)
}

// Adapted is what becomes of the values of a run that was created before something was frozen.
type Adapted struct {
	Values map[string]any
	// Changed take the frozen value: the run has there what its deployment had when it was created.
	Changed []Value
	// Refused cannot: the run set another value itself, which nothing may replace behind its back.
	Refused []Value
}

// Adapt holds the values of a run to what is frozen now. was is what its deployment had when the run was
// created.
func Adapt(run, was map[string]any, frozen []Value) Adapted {
	a := Adapted{Values: make(map[string]any, len(run)+len(frozen))}
	for name, v := range run {
		a.Values[name] = v
	}
	for _, f := range frozen {
		given, set := value.Walk(run, f.Path)
		same := set && value.Equal(given, f.Value)
		before, had := value.Walk(was, f.Path)
		ofDeployment := set && had && value.Equal(given, before)
		switch {
		case same && !f.Overridden(run):
		case !same && !ofDeployment && f.Overridden(run), !f.Set(a.Values), f.Overridden(a.Values):
			a.Refused = append(a.Refused, f)
		default:
			a.Changed = append(a.Changed, f)
		}
	}
	return a
}

// AdaptVariables is Adapt for job variables, where the values of a run are a level over those of its
// deployment: what the run's level sets is its own. Levels may be written in any form that job variables have.
func AdaptVariables(run, deployment map[string]any, frozen []Value) Adapted {
	run, deployment = expand(run), expand(deployment)
	a := Adapted{Values: run}
	for _, f := range frozen {
		level := run
		if f.Path[0] == envVariable && len(f.Path) == 1 {
			level = addedEntries(run, f)
		}
		before, had := value.Walk(deployment, f.Path)
		switch {
		case f.Overridden(level):
			a.Refused = append(a.Refused, f)
		case !had || !value.Equal(before, f.Value):
			a.Changed = append(a.Changed, f)
		}
	}
	return a
}

// addedEntries returns the level with its env laid over the frozen one: env is merged entry by entry, so that
// an entry that the level leaves out is no override.
func addedEntries(level map[string]any, f Value) map[string]any {
	own, ok := level[envVariable].(map[string]any)
	frozen, isObject := envEntries(f.Value).(map[string]any)
	if !ok || !isObject {
		return level
	}
	merged := make(map[string]any, len(own)+len(frozen))
	for _, entries := range []map[string]any{frozen, own} {
		for name, v := range entries {
			merged[name] = v
		}
	}
	return map[string]any{envVariable: merged}
}

// Decode reads a JSON document in the form that frozen values are compared in.
func Decode(document []byte) (any, error) { return value.DecodeJSON(document) }

// Encode writes a value as compact JSON with sorted keys.
func Encode(v any) ([]byte, error) { return value.AppendJSON(nil, v) }
