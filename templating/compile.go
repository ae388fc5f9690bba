package templating

import (
	"slices"
	"strconv"
	"sync"

	"github.com/berth-dev/berth/templating/engine"
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/schema"
	"github.com/berth-dev/berth/templating/internal/value"
)

// languageWords are words of the template language that no variable may be named after; so are the roots of
// what is not a variable.
var languageWords = [...]string{
	"end", "else", "break", "continue", "nil", "true", "false", engine.ContextRoot, "berth", "prefect",
}

// Compile prepares a template and finds everything that can be known before any value is given. What is wrong
// comes back as Problems, all at once; the Compiled is nil only where rendering itself is impossible, so that
// a tool may still show what a flawed template would make.
func (r *Registry) Compile(t *Template) (*Compiled, error) {
	c := &Compiled{template: t, templateEnv: slices.Clone(t.TemplateEnv)}
	c.authored = sync.OnceValue(c.readAuthored)
	var problems Problems
	engine, unknown := r.lookup(t.Engine)
	if unknown != nil {
		problems = append(problems, *unknown)
	}
	source, err := normalizeObject("variables", t.Variables)
	if err != nil {
		problems = append(problems, problem.Errorf(CodeSchema, "/variables", "%v", err))
	}
	c.source = value.CopyMap(source)
	if declared, _ := c.source["properties"].(map[string]any); len(declared) > schema.MaxSubschemas {
		return nil, append(
			problems,
			problem.Errorf(CodeLimit, "/variables/properties",
				"the template declares %d variables; the limit is %d", len(declared), schema.MaxSubschemas),
		)
	}
	problems = append(problems, c.readVariables()...)
	problems = append(problems, c.readFrozen(t.Frozen)...)
	if engine == nil {
		return nil, problems
	}
	c.engine = engine.Name()
	complete := true
	for _, p := range c.compilePrograms(engine, t.JobConfiguration) {
		if p.Severity == SeverityWarning {
			c.warnings = append(c.warnings, p)
			continue
		}
		complete = false
		problems = append(problems, p)
	}
	problems = append(problems, c.checkReferences()...)
	if complete { // what cannot be read may refer to anything
		c.warnings = append(c.warnings, c.unused()...)
	}
	for _, key := range value.SortedKeys(t.Ignored) {
		c.warnings = append(
			c.warnings,
			problem.Warningf(CodeImport, value.Pointer("", key), "key %q has no effect at the top level of a template", key).
				Suggest("declare required variables inside variables"),
		)
	}
	if c.configuration == nil {
		return nil, problems
	}
	return c, problems.ErrorOrNil()
}

// readVariables takes the schema apart: defaults, what is required, and the schema that values are checked
// with.
func (c *Compiled) readVariables() Problems {
	var problems Problems
	if kind, ok := c.source["type"]; ok && kind != "object" {
		problems = append(
			problems,
			problem.Errorf(CodeSchema, "/variables/type",
				`type must be "object": the variables of a template are an object`),
		)
	}
	c.properties, _ = c.source["properties"].(map[string]any) // another type is refused by the schema below
	c.defaults = map[string]any{}
	for _, name := range value.SortedKeys(c.properties) {
		problems = append(problems, c.checkName(name)...)
		if property, ok := c.properties[name].(map[string]any); ok && property["default"] != nil {
			c.defaults[name] = property["default"]
		}
	}
	requiredList, _ := c.source["required"].([]any)
	for _, item := range requiredList {
		if name, ok := item.(string); ok {
			c.required = append(c.required, name)
		}
	}
	for _, p := range c.checkDefaults() {
		if p.Severity == SeverityWarning {
			c.warnings = append(c.warnings, p)
			continue
		}
		problems = append(problems, p)
	}
	schemaProblems := c.compileSchema()
	problems = append(problems, schemaProblems...)
	for _, p := range c.undeclaredRequired() {
		if p.Severity == SeverityWarning {
			c.warnings = append(c.warnings, p)
			continue
		}
		problems = append(problems, p)
	}
	if c.schema != nil {
		problems = append(problems, c.checkFixed(c.defaults, CodeDefault, func(name string) string {
			return value.Pointer("/variables/properties", name) + "/default"
		})...)
	}
	return problems
}

// undeclaredRequired finds what is required but not declared, which is most likely misspelt: where other
// variables are refused, no run could be created at all.
func (c *Compiled) undeclaredRequired() Problems {
	if c.matchesPattern() {
		return nil
	}
	var problems Problems
	for i, name := range c.required {
		if _, declared := c.properties[name]; declared || len(problems) == problem.MaxProblems {
			continue
		}
		p := problem.Warningf(CodeUndeclared, "/variables/required/"+strconv.Itoa(i),
			"%q is required but not declared in variables", problem.Shorten(name)).
			SuggestNearest(name, value.SortedKeys(c.properties))
		if c.closed {
			p.Severity = SeverityError
		}
		problems = append(problems, p)
	}
	return problems
}

func (c *Compiled) checkName(name string) Problems {
	pointer := value.Pointer("/variables/properties", name)
	if slices.Contains(languageWords[:], name) {
		return Problems{
			problem.Errorf(CodeReserved, pointer,
				"%q is reserved by the template language; rename the variable", name),
		}
	}
	if !engine.IsReachable(name) {
		c.warnings = append(
			c.warnings,
			problem.Warningf(CodeReserved, pointer, "no placeholder can refer to a variable named %q", name).
				Suggest("use letters, digits and _"),
		)
	}
	return nil
}

// compileSchema compiles the variables without `required` and a plain `additionalProperties: false`, which
// are checked by hand: what is required depends on what is being saved, and the messages shall name the
// variable.
func (c *Compiled) compileSchema() Problems {
	schema := map[string]any{}
	for key, v := range c.source {
		schema[key] = v
	}
	if requiredIsNames(schema["required"]) {
		delete(schema, "required")
	}
	if _, patterns := schema["patternProperties"]; !patterns && schema["additionalProperties"] == false {
		c.closed = true
		delete(schema, "additionalProperties")
	}
	compiled, err := CompileSchema(schema)
	if err != nil {
		c.schemaErrors = AsProblems(err)
		for i := range c.schemaErrors {
			c.schemaErrors[i].Pointer = "/variables" + c.schemaErrors[i].Pointer
		}
		return c.schemaErrors
	}
	c.schema = compiled
	return nil
}

func requiredIsNames(v any) bool {
	names, ok := v.([]any)
	return ok &&
		!slices.ContainsFunc(names, func(item any) bool { _, isName := item.(string); return !isName })
}

// checkFixed checks values that the template itself gives.
func (c *Compiled) checkFixed(values map[string]any, code string, place func(name string) string) Problems {
	var problems Problems
	for _, p := range c.checkPart(values) {
		if p.Pointer == "" { // a bound, which is the schema's
			p.Pointer = "/variables"
		} else {
			name, rest := problem.SplitPointer(p.Pointer)
			p.Code, p.Pointer = code, place(name)+rest
		}
		problems = append(problems, p)
	}
	return problems
}

// compilePrograms compiles job_configuration, its env apart from the rest.
func (c *Compiled) compilePrograms(engine Engine, configuration any) Problems {
	normal, err := value.Normalize(configuration)
	if err != nil {
		return Problems{problem.Errorf(CodeType, ConfigurationPointer, "%v", err)}
	}
	object, ok := normal.(map[string]any)
	if !ok {
		return Problems{
			problem.Errorf(CodeType, ConfigurationPointer, "job_configuration must be an object, not %s",
				value.Article(value.Kind(normal))),
		}
	}
	rest := make(map[string]any, len(object))
	for key, v := range object {
		rest[key] = v
	}
	delete(rest, envVariable)
	variables := value.SortedKeys(c.properties)
	program, err := engine.Compile(rest, Declarations{Pointer: ConfigurationPointer, Variables: variables})
	problems := AsProblems(err)
	if program == nil {
		return problems
	}
	c.configuration = program
	c.references = append(c.references, program.References()...)
	env, ok := object[envVariable]
	if !ok {
		return problems
	}
	c.environment, err = engine.Compile(env,
		Declarations{Pointer: ConfigurationPointer + "/env", Variables: variables})
	problems = append(problems, AsProblems(err)...)
	if c.environment == nil {
		c.configuration = nil
		return problems
	}
	c.references = append(c.references, c.environment.References()...)
	return problems
}
