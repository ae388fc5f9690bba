package templating

import (
	"slices"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Layers are the job variables of one run, level by level, as they were given. Values may hold references to
// stored variables.
type Layers struct {
	Deployment map[string]any
	Run        map[string]any
	// DeploymentFrozen holds values that the deployment lets no run override.
	DeploymentFrozen map[string]any
}

// merged is what the layers come to.
type merged struct {
	// variables are the effective values; env joins them in all.
	variables map[string]any
	// env is the effective environment, with what is unset still marked.
	env envList
	// stored names the variables whose values hold what came out of stored variables.
	stored map[string]bool
}

// all returns the effective values, env among them in its printed form.
func (m merged) all() map[string]any {
	if env, ok := m.env.print(); ok {
		m.variables[envVariable] = env
	}
	return m.variables
}

// merging lays levels over each other: default < deployment < run < frozen.
type merging struct {
	result   merged
	problems Problems
	stored   *resolver // nil leaves references as they are
}

// merge computes the effective values of a run. Without resolve, references to stored variables stay as they
// are.
func (c *Compiled) merge(l Layers, stored map[string]any, resolve bool) (merged, Problems) {
	m := &merging{
		result: merged{
			variables: make(map[string]any, len(c.defaults)+len(l.Deployment)+len(l.Run)+1),
			stored:    map[string]bool{},
		},
	}
	if resolve {
		m.stored = &resolver{stored: stored}
	}
	m.lay(c.defaults)
	deployment := m.read("deployment job variables", l.Deployment)
	m.checkFrozen(deployment, c.frozen, "the template")
	m.lay(deployment)
	run := m.read("run job variables", l.Run)
	m.checkFrozen(run, c.frozen, "the template")
	frozen := m.read("frozen values of the deployment", l.DeploymentFrozen)
	m.checkFrozen(frozen, c.frozen, "the template")
	m.checkFrozen(run, frozen, "the deployment")
	m.lay(run)
	m.lay(frozen)
	m.lay(c.frozen)
	if m.stored != nil {
		m.problems = append(m.problems, m.stored.problems...)
	}
	slices.SortStableFunc(m.problems, problem.Compare) // levels are laid in no order
	return m.result, m.problems
}

// read brings a level into normal form: normal values, dotted keys expanded.
func (m *merging) read(what string, level map[string]any) map[string]any {
	if len(level) == 0 {
		return nil
	}
	normal, err := normalizeObject(what, level)
	if err != nil {
		m.problems = append(m.problems, problem.Errorf(CodeVariable, "", "%v", err))
		return nil
	}
	expanded, problems := expandDotted(normal, "")
	m.problems = append(m.problems, problems...)
	return expanded
}

// lay puts a level over what is there. A value replaces the one below whole; only env is merged.
func (m *merging) lay(level map[string]any) {
	for name, v := range level {
		if name != envVariable { // which is laid over what is there, and may keep some of it
			delete(m.result.stored, name)
		}
		if m.stored != nil && refersToStored(v) {
			resolved, ok := m.stored.resolve(v, value.Pointer("", name))
			if !ok {
				continue
			}
			v, m.result.stored[name] = resolved, true
		}
		if name != envVariable {
			m.result.variables[name] = v
			continue
		}
		env, problems := parseEnv(v, "/env")
		m.problems = append(m.problems, problems...)
		m.result.env = m.result.env.over(env)
	}
}

// checkFrozen refuses what overrides a frozen value. Saying the same again is no override. Of env each entry
// is frozen by itself.
func (m *merging) checkFrozen(level, frozen map[string]any, by string) {
	for _, name := range value.SortedKeys(frozen) {
		given, ok := level[name]
		if !ok || value.Equal(given, frozen[name]) {
			continue
		}
		if name == envVariable {
			m.checkFrozenEnv(given, frozen[name], by)
			continue
		}
		m.problems = append(
			m.problems,
			problem.Errorf(CodeFrozen, value.Pointer("", name), "%q is frozen by %s and cannot be overridden",
				name, by),
		)
	}
}

func (m *merging) checkFrozenEnv(given, frozen any, by string) {
	level, _ := parseEnv(given, "/env") // what is wrong with it is reported when it is laid
	fixed, _ := parseEnv(frozen, "/env")
	for _, entry := range fixed.entries {
		i := level.find(entry.name)
		if i < 0 {
			continue
		}
		set := level.entries[i]
		if set.unset == entry.unset && value.Equal(set.value, entry.value) &&
			value.Equal(mapOrNil(set.source), mapOrNil(entry.source)) {
			continue
		}
		m.problems = append(m.problems, problem.Errorf(CodeFrozen, value.Pointer("/env", entry.name),
			"the environment variable %q is frozen by %s and cannot be overridden", entry.name, by))
	}
}

func mapOrNil(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}
