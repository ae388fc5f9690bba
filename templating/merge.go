package templating

import (
	"slices"
	"sync"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Layers are the job variables of one run, level by level, as they were given. Values may hold references to
// stored variables.
type Layers struct {
	Deployment map[string]any
	Run        map[string]any
	// DeploymentFrozen holds values that the deployment lets no run override, by the keys of package freeze: a
	// name, a dotted name or a JSON pointer.
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
	stored   *resolver // nil: references to stored variables stay as they are
}

// merge computes the effective values of a run. Without a context, references to the run at hand stay as they
// are.
func (c *Compiled) merge(l Layers, stored map[string]any, context *Context) (merged, Problems) {
	m := &merging{
		result: merged{
			variables: make(map[string]any, len(c.defaults)+len(l.Deployment)+len(l.Run)+1),
			stored:    map[string]bool{},
		},
	}
	m.stored = &resolver{from: engine.ValueSource{Stored: stored}}
	if context != nil {
		m.stored.from.Context = sync.OnceValues(context.valueTree)
	}
	m.lay(c.defaults)
	deployment := m.read("deployment job variables", l.Deployment)
	m.checkFrozen(deployment, c.frozenValues, "the template")
	m.lay(deployment)
	run := m.read("run job variables", l.Run)
	m.checkFrozen(run, c.frozenValues, "the template")
	frozen := m.readFrozen(l.DeploymentFrozen)
	m.checkFrozenTwice(frozen, c.frozenValues)
	m.checkFrozen(run, frozen, "the deployment")
	m.lay(run)
	m.layFrozen(frozen)
	m.layFrozen(c.frozenValues)
	m.problems = append(m.problems, m.stored.problems...)
	slices.SortStableFunc(m.problems, problem.Compare) // levels are laid in no order
	return m.result, m.problems
}

// Lay lays levels of job variables over each other as a run does, the later over the earlier. References to stored variables
// stay as they are.
func Lay(levels ...map[string]any) (map[string]any, error) {
	m := &merging{result: merged{variables: map[string]any{}, stored: map[string]bool{}}}
	for _, level := range levels {
		m.lay(m.read("job variables", level))
	}
	if len(m.problems) > 0 {
		return nil, m.problems
	}
	return m.result.all(), nil
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
	m.problems = append(m.problems, blockObjects(expanded)...)
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
