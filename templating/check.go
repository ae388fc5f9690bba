package templating

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/function"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// checkReferences refuses references to what is not declared.
func (c *Compiled) checkReferences() Problems {
	var problems Problems
	declared := value.SortedKeys(c.properties)
	for _, r := range c.references {
		p := c.checkReference(r, declared)
		if p == nil {
			continue
		}
		if len(problems) == problem.MaxProblems {
			break // enough to act on; comparing names takes time
		}
		r.Place(p)
		problems = append(problems, *p)
	}
	return problems
}

func (c *Compiled) checkReference(r Reference, declared []string) *Problem {
	var p Problem
	switch r.Kind {
	case ReferenceVariable:
		if _, ok := c.properties[r.Root()]; ok {
			return nil
		}
		p = undeclared(r, declared)
		if p.Suggestion == "" && c.engine == DefaultEngine && function.Lookup(r.Name) != nil {
			p.Suggestion = "write a function without arguments as {{ (" + r.Name + ") }}"
		}
	case ReferenceContext:
		unknown, near := unknownContext(r.Path())
		if unknown == "" {
			return nil
		}
		p = problem.Errorf(CodeUndeclared, r.Pointer, "%s: unknown field %q", r.Name, unknown)
		p.Suggestion = near
	case ReferenceEnvironment:
		if slices.Contains(c.templateEnv, r.Root()) {
			return nil
		}
		p = problem.Errorf(CodeEnvironment, r.Pointer, "%s: the template does not list %q in template_env", r.Name,
			r.Root()).
			SuggestNearest(r.Root(), c.templateEnv)
		if p.Suggestion == "" {
			p.Suggestion = "add it to template_env; the worker must be started with --template-env " + r.Root()
		}
	case ReferenceBlock:
		p = blockProblem(r.Pointer, r.Name)
	default:
		return nil
	}
	return &p
}

func undeclared(r Reference, declared []string) Problem {
	if r.Root() == "" && len(r.Path()) > 0 && slices.Contains(declared, r.Path()[0]) {
		return problem.Errorf(CodeUndeclared, r.Pointer, "%q is not declared", r.Name).
			Suggest("write {{ %s }}: this engine has placeholders only", strings.TrimPrefix(r.Name, "."))
	}
	name := r.Root()
	if name == "" {
		name = r.Name
	}
	p := problem.Errorf(CodeUndeclared, r.Pointer, "%q is not declared in variables", name)
	if r.Root() == "berth" || r.Root() == "prefect" {
		p.Suggestion = "write {{ berth.variables.NAME }} for a stored variable"
		return p
	}
	if p.SuggestNearest(name, declared).Suggestion == "" && r.Root() != "" {
		if path := underContext(append([]string{r.Root()}, r.Path()...)); path != "" {
			return p.Suggest("write {{ %s }}", path)
		}
	}
	return p.SuggestNearest(name, append([]string{engine.ContextRoot}, declared...))
}

// underContext is a path as ctx has it: parameters.date is ctx.run.parameters.date; empty where ctx has no such thing.
func underContext(path []string) string {
	for _, prefix := range [][]string{{}, {"run"}} {
		if full := slices.Concat(prefix, path); len(path) > 1 { // a name alone may be anything
			if unknown, _ := unknownContext(full); unknown == "" {
				return engine.ContextRoot + "." + strings.Join(full, ".")
			}
		}
	}
	return ""
}

// unknownContext follows a path through what ctx holds and returns the step that is not there.
func unknownContext(path []string) (unknown, suggestion string) {
	var at any = contextShape()
	for _, step := range path {
		fields, ok := at.(map[string]any)
		if !ok {
			if at == true {
				return "", ""
			}
			return step, ""
		}
		next, ok := fields[step]
		if !ok {
			return step, Problem{}.SuggestNearest(step, value.SortedKeys(fields)).Suggestion
		}
		at = next
	}
	return "", ""
}

// unused warns of variables that nothing refers to.
func (c *Compiled) unused() Problems {
	used := map[string]bool{}
	for _, r := range c.references {
		if r.Kind == ReferenceAll {
			return nil
		}
		if r.Kind == ReferenceVariable {
			used[r.Root()] = true
		}
	}
	if c.environment != nil || c.takesEnv() {
		used[envVariable] = true
	}
	var problems Problems
	for _, name := range value.SortedKeys(c.properties) {
		if !used[name] {
			problems = append(
				problems,
				problem.Warningf(CodeUnused, value.Pointer("/variables/properties", name),
					"variable %q is declared but never used", name),
			)
		}
	}
	return problems
}

// check validates all values of a run against the schema, each problem naming its variable. Null is accepted
// for what is not required.
func (c *Compiled) check(values map[string]any) Problems {
	if c.schema == nil {
		return c.schemaErrors
	}
	instance := make(map[string]any, len(values))
	for name, v := range values {
		if v == nil && !slices.Contains(c.required, name) {
			continue
		}
		instance[name] = v
	}
	given, ok := instance[envVariable]
	if !ok {
		return c.validate(instance)
	}
	delete(instance, envVariable)
	env, problems := parseEnv(given, "/"+envVariable)
	if len(problems) > 0 {
		return append(onlyOfVariables(c.validate(instance)), problems...)
	}
	return c.checkWithEnv(instance, env)
}

// checkWithEnv checks env in the form it was given and, where the schema does not take that form, in the
// other: both mean the same. What is unset is no value to be checked.
func (c *Compiled) checkWithEnv(instance map[string]any, env envList) Problems {
	printed, ok := env.print()
	if !ok {
		return c.validate(instance)
	}
	instance[envVariable] = printed
	problems := c.validate(instance)
	if isOfEntry(problems) {
		// A container takes numbers and booleans as text, so a schema that wants text may have them.
		env = env.asText()
		instance[envVariable], _ = env.print()
		if asText := c.validate(instance); len(asText) < len(problems) {
			problems = asText
		}
	}
	if !isOfForm(problems) {
		return problems
	}
	other := env
	other.asList = !env.asList
	instance[envVariable], _ = other.print() // it says something in either form
	// A reference (valueFrom) is checked like any value: a schema that takes text takes no reference.
	if inOtherForm := c.validate(instance); !isOfForm(inOtherForm) || len(inOtherForm) < len(problems) {
		return inOtherForm
	}
	return problems
}

// isOfEntry is true where an entry of env is refused.
func isOfEntry(problems Problems) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Pointer, "/"+envVariable+"/") })
}

// isOfForm is true where env as a whole is refused, not one of its entries.
func isOfForm(problems Problems) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Pointer == "/"+envVariable })
}

// checkPart checks some of the values of a run, such as the defaults. What the schema says of all of them
// together is not known yet.
func (c *Compiled) checkPart(values map[string]any) Problems {
	return onlyOfVariables(c.check(values))
}

// onlyOfVariables leaves out the problems that are not of one variable, but of all together.
func onlyOfVariables(problems Problems) Problems {
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.Pointer == "" && p.Code != CodeLimit })
}

// validate asks the schema, and lets each problem name its variable.
func (c *Compiled) validate(instance map[string]any) Problems {
	budget := c.budget
	if budget == nil {
		budget = &SchemaBudget{}
	}
	problems := c.schema.CheckWithin(instance, CodeVariable, budget)
	for i := range problems {
		problems[i].Message = nameVariable(problems[i])
	}
	return problems
}

func nameVariable(p Problem) string {
	name, rest := problem.SplitPointer(p.Pointer)
	if name == "" {
		return "the set of variables " + p.Message
	}
	if rest != "" {
		return "variable " + problem.Quote(name) + " at " + rest + " " + p.Message
	}
	return "variable " + problem.Quote(name) + " " + p.Message
}

// unknown finds variables that are not declared: an error where the schema is closed, else a warning.
func (c *Compiled) unknown(level map[string]any) Problems {
	if c.matchesPattern() {
		return nil
	}
	var others []string
	for name := range level {
		if _, ok := c.properties[name]; !ok {
			others = append(others, name)
		}
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	var problems Problems
	declared := value.SortedKeys(c.properties)
	for _, name := range others {
		if len(problems) == problem.MaxProblems {
			break // enough to act on; comparing names takes time
		}
		p := problem.Warningf(CodeUnknown, value.Pointer("", name), "the template does not declare a variable %s",
			problem.Quote(name)).
			SuggestNearest(name, declared)
		if c.closed {
			p.Severity = SeverityError
		}
		problems = append(problems, p)
	}
	return problems
}

// matchesPattern is true where the schema itself judges other names.
func (c *Compiled) matchesPattern() bool {
	_, patterns := c.source["patternProperties"]
	_, shaped := c.source["additionalProperties"].(map[string]any)
	return patterns || shaped
}

// concealing returns the template with a schema whose messages tell nothing of the values of these variables.
func (c *Compiled) concealing(hidden map[string]bool) *Compiled {
	if len(hidden) == 0 || c.schema == nil {
		return c
	}
	quiet := *c
	quiet.schema = c.schema.Concealing(hidden)
	return &quiet
}
