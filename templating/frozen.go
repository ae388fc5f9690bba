package templating

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/freeze"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// readFrozen brings the frozen values of a deployment into normal form, in the order of their names.
func (m *merging) readFrozen(level map[string]any) []freeze.Value {
	normal, err := normalizeObject("frozen values of the deployment", level)
	if err != nil {
		m.problems = append(m.problems, problem.Errorf(CodeVariable, "", "%v", err))
		return nil
	}
	frozen := make([]freeze.Value, 0, len(normal))
	for _, key := range value.SortedKeys(normal) {
		if path := freeze.ParseKey(key); len(path) > 0 {
			frozen = append(frozen, freeze.Value{Path: path, Value: normal[key]})
		}
	}
	return frozen
}

// layFrozen puts frozen values over what is there. Of env and of what else is frozen inside a variable, the
// rest stays.
func (m *merging) layFrozen(frozen []freeze.Value) {
	for _, f := range frozen {
		switch {
		case len(f.Path) == 1:
			m.lay(map[string]any{f.Path[0]: f.Value})
		case f.Path[0] == envVariable:
			m.lay(map[string]any{envVariable: map[string]any{f.Path[1]: f.Value}})
		default:
			m.layInside(f)
		}
	}
}

// layInside puts a frozen value into the variable that it is a part of.
func (m *merging) layInside(f freeze.Value) {
	root := f.Path[0]
	if refersToStored(f.Value) {
		resolved, ok := m.stored.resolve(f.Value, f.Pointer())
		if !ok {
			return
		}
		f.Value, m.result.stored[root] = resolved, true
	}
	if !f.Set(m.result.variables) {
		m.problems = append(m.problems, problem.Errorf(CodeFrozen, f.Pointer(),
			"%q is frozen, but variable %q has no place for it", f.Name(), root))
	}
}

// checkFrozen refuses what overrides a frozen value. Saying the same again is no override.
func (m *merging) checkFrozen(level map[string]any, frozen []freeze.Value, by string) {
	for _, f := range frozen {
		if f.Path[0] == envVariable {
			m.checkFrozenEnv(level, f, by)
			continue
		}
		if f.Overridden(level) {
			m.problems = append(m.problems, frozenError(f, by))
		}
	}
}

func frozenError(f freeze.Value, by string) Problem {
	return problem.Errorf(CodeFrozen, f.Pointer(), "%q is frozen by %s and cannot be overridden", f.Name(), by)
}

// checkFrozenEnv compares entries in normal form: a level may write its environment as an object or as a
// list. An environment that is frozen by a deployment as a whole takes no other entries either; a template
// freezes the entries that it names.
func (m *merging) checkFrozenEnv(level map[string]any, f freeze.Value, by string) {
	given, ok := level[envVariable]
	if !ok {
		return
	}
	env, _ := parseEnv(given, "/env") // what is wrong with it is reported when it is laid
	fixed := frozenEnv(f)
	for _, entry := range fixed.entries {
		if i := env.find(entry.name); i >= 0 && !env.entries[i].equal(entry) {
			m.problems = append(m.problems, problem.Errorf(CodeFrozen, value.Pointer("/env", entry.name),
				"the environment variable %q is frozen by %s and cannot be overridden", entry.name, by))
		}
	}
	if len(f.Path) > 1 {
		return
	}
	for _, entry := range env.entries {
		if fixed.find(entry.name) < 0 {
			m.problems = append(m.problems, problem.Errorf(CodeFrozen, value.Pointer("/env", entry.name),
				"env is frozen as a whole by %s: no entry %q can be added", by, entry.name))
		}
	}
}

// frozenEnv returns the entries of env that a value freezes.
func frozenEnv(f freeze.Value) envList {
	frozen := f.Value
	if len(f.Path) > 1 {
		frozen = map[string]any{f.Path[1]: f.Value}
	}
	env, _ := parseEnv(frozen, "/env")
	return env
}

func (e envEntry) equal(other envEntry) bool {
	return e.unset == other.unset && value.Equal(e.value, other.value) &&
		value.Equal(mapOrNil(e.source), mapOrNil(other.source))
}

func mapOrNil(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

// checkFrozenTwice refuses what a deployment has frozen to another value than the template.
func (m *merging) checkFrozenTwice(deployment, template []freeze.Value) {
	for _, f := range deployment {
		if f.Path[0] == envVariable {
			level := map[string]any{envVariable: f.Value}
			if len(f.Path) > 1 {
				level[envVariable] = map[string]any{f.Path[1]: f.Value}
			}
			m.checkFrozen(level, template, "the template")
			continue
		}
		for _, t := range template {
			if f.Conflicts(t) {
				m.problems = append(m.problems, frozenError(t, "the template"))
			}
		}
	}
}

// readFrozen reads the frozen values of the template: as one tree, as which they are values like others, and
// one by one. Entries of env are frozen one by one, however they are written.
func (c *Compiled) readFrozen(frozen map[string]any) Problems {
	normal, err := normalizeObject("frozen", frozen)
	if err != nil {
		return Problems{problem.Errorf(CodeFrozen, "/frozen", "%v", err)}
	}
	problems := c.readFrozenTree(normal)
	for _, name := range value.SortedKeys(c.frozen) {
		if _, ok := c.properties[name]; !ok {
			problems = append(problems, problem.Errorf(CodeFrozen, value.Pointer("/frozen", name),
				"%q is frozen but not declared in variables", name).
				SuggestNearest(name, value.SortedKeys(c.properties)))
		}
	}
	for _, f := range c.frozenValues {
		c.warnings = append(c.warnings, c.undeclaredInside(f)...)
	}
	if c.schema != nil {
		problems = append(problems, c.checkFixed(c.frozen, CodeFrozen,
			func(name string) string { return value.Pointer("/frozen", name) })...)
	}
	return problems
}

func (c *Compiled) readFrozenTree(normal map[string]any) Problems {
	named := map[string]any{}
	for key, v := range normal {
		if !strings.HasPrefix(key, "/") {
			named[key] = v
		}
	}
	expanded, problems := expandDotted(named, "/frozen")
	c.frozen = value.CopyMap(expanded)
	if c.frozen == nil {
		c.frozen = map[string]any{}
	}

	for _, key := range value.SortedKeys(normal) {
		path := freeze.ParseKey(key)
		f := freeze.Value{Path: path, Value: normal[key]}
		if strings.HasPrefix(key, "/") && !f.Set(c.frozen) {
			problems = append(problems, problem.Errorf(CodeInvalid, value.Pointer("/frozen", key),
				"%q is inside a value that is frozen already and has no place for it", key))
			continue
		}
		if path[0] != envVariable && !slices.Contains(path, "") {
			c.frozenValues = append(c.frozenValues, f)
		}
	}
	env, _ := parseEnv(c.frozen[envVariable], "/env")
	for _, entry := range env.entries {
		c.frozenValues = append(c.frozenValues, freeze.Value{
			Path: []string{envVariable, entry.name}, Value: entry.frozenValue(),
		})
	}
	return problems
}

// frozenValue is an entry in the form in which it stands in an environment that is an object.
func (e envEntry) frozenValue() any {
	if e.source != nil {
		return map[string]any{"valueFrom": e.source}
	}
	return e.value
}

// undeclaredInside warns of a value that is frozen inside a variable whose schema declares other members: it
// is most likely misspelt, and would freeze nothing.
func (c *Compiled) undeclaredInside(f freeze.Value) Problems {
	schema := c.property(f.Path[0])
	for i, step := range f.Path[1:] {
		members, _ := schema["properties"].(map[string]any)
		if len(members) == 0 || schema["patternProperties"] != nil || schema["additionalProperties"] != nil {
			return nil
		}
		inner, ok := members[step].(map[string]any)
		if !ok {
			return Problems{problem.Warningf(CodeFrozen, value.Pointer("/frozen", f.Name()),
				"%q is frozen, but variable %q declares no %q", f.Name(), f.Path[0],
				strings.Join(f.Path[1:i+2], ".")).SuggestNearest(step, value.SortedKeys(members))}
		}
		schema = inner
	}
	return nil
}

// markFrozen marks a frozen value in a schema as readOnly with its value as const.
func markFrozen(properties map[string]any, f freeze.Value) {
	for i, step := range f.Path {
		if i == len(f.Path)-1 {
			mergeProperty(properties, step, map[string]any{"const": value.Copy(f.Value), "readOnly": true})
			return
		}
		property, _ := properties[step].(map[string]any)
		inner, ok := property["properties"].(map[string]any)
		if !ok {
			inner = map[string]any{}
		}
		mergeProperty(properties, step, map[string]any{"properties": inner})
		properties = inner
	}
}
