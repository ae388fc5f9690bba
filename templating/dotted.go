package templating

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// expandDotted returns a level of job variables with its dotted keys expanded: env.FOO=bar becomes env: {FOO:
// bar}. What is written out beats what is dotted.
func expandDotted(vars map[string]any, pointer string) (map[string]any, Problems) {
	dotted := false
	for key := range vars {
		dotted = dotted || strings.Contains(key, ".")
	}
	if !dotted {
		return vars, nil
	}
	e := expansion{vars: make(map[string]any, len(vars))}
	for key, v := range vars {
		if !strings.Contains(key, ".") {
			e.vars[key] = value.Copy(v)
		}
	}
	for _, key := range value.SortedKeys(vars) {
		root, rest, ok := strings.Cut(key, ".")
		if !ok {
			continue
		}
		if len(e.problems) == problem.MaxProblems {
			break
		}
		switch at := value.Pointer(pointer, key); {
		case root == envVariable:
			e.environment(rest, vars[key], at)
		case strings.Count(key, ".") >= value.MaxDepth:
			e.fail(CodeLimit, value.Pointer(pointer, problem.Shorten(key)), "nested deeper than %d levels",
				value.MaxDepth)
		default:
			e.set(strings.Split(key, "."), vars[key], at)
		}
	}
	if _, err := value.Normalize(e.vars); err != nil { // what is inside a value adds to its dots
		e.fail(CodeLimit, pointer, "%v", err)
	}
	return e.vars, e.problems
}

// expansion sets what dotted keys say in a copy of their level.
type expansion struct {
	vars     map[string]any
	problems Problems
	// listed are the names of an env that is a list, once one is asked for.
	listed map[string]bool
}

func (e *expansion) fail(code, pointer, format string, args ...any) {
	e.problems = append(e.problems, problem.Errorf(code, pointer, format, args...))
}

// environment sets one variable of env unless it is written out. Names of environment variables may
// themselves hold dots.
func (e *expansion) environment(name string, v any, pointer string) {
	if name == "" {
		e.fail(CodeInvalid, pointer, `missing name after "env."`)
		return
	}
	switch env := e.vars[envVariable].(type) {
	case nil:
		e.vars[envVariable] = map[string]any{name: v}
	case map[string]any:
		if _, ok := env[name]; !ok {
			env[name] = v
		}
	case []any:
		if !e.lists(env, name) {
			e.vars[envVariable] = append(env, map[string]any{"name": name, "value": v})
		}
	default:
		e.fail(CodeType, pointer, "env is %s, so no entry can be set in it", value.Article(value.Kind(env)))
	}
}

// lists says whether the level's env, a list, has a name as it was written.
func (e *expansion) lists(env []any, name string) bool {
	if e.listed == nil {
		e.listed = make(map[string]bool, len(env))
		for _, item := range env {
			object, _ := item.(map[string]any)
			if written, ok := object["name"].(string); ok {
				e.listed[written] = true
			}
		}
	}
	return e.listed[name]
}

// set goes into objects step by step, creating the missing ones.
func (e *expansion) set(steps []string, v any, pointer string) {
	object := e.vars
	for i, step := range steps {
		if step == "" {
			e.fail(CodeInvalid, pointer, "the dotted key has an empty part")
			return
		}
		if i == len(steps)-1 {
			if _, ok := object[step]; !ok {
				object[step] = value.Copy(v)
			}
			return
		}
		next, there := object[step]
		if !there {
			next = map[string]any{}
			object[step] = next
		}
		inner, ok := next.(map[string]any)
		if !ok {
			e.fail(CodeInvalid, pointer, "%s is set to %s at the same level, so no entry can be set in it",
				strings.Join(steps[:i+1], "."), value.Article(value.Kind(next)))
			return
		}
		object = inner
	}
}
