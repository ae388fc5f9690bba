package action

import (
	"errors"
	"fmt"
	"text/template/parse"
)

// Absent is "no value": what a key that is not there yields, and what the function absent returns.
type Absent struct{}

// place is a byte offset in the source that was parsed.
type place = parse.Pos

// EvalError is an error of one place. Offset counts bytes in the source that was parsed.
type EvalError struct {
	Offset int
	Err    error
}

func (e *EvalError) Error() string { return e.Err.Error() }

func (e *EvalError) Unwrap() error { return e.Err }

// at gives an error its place, unless it has one: the innermost says most.
func at(p place, err error) error {
	var placed *EvalError
	if err == nil || errors.As(err, &placed) {
		return err
	}
	return &EvalError{Offset: int(p), Err: err}
}

// expression yields a value.
type expression interface {
	eval(m *machine) (any, error)
}

// statement writes text, and says how execution goes on.
type statement interface {
	exec(m *machine) (flow, error)
}

type flow int

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)

// constant is a literal.
type constant struct{ v any }

func (c constant) eval(*machine) (any, error) { return c.v, nil }

// dotExpr is `.`, dollarExpr `$`.
type dotExpr struct{}

func (dotExpr) eval(m *machine) (any, error) { return m.whole(m.dot) }

type dollarExpr struct{}

func (dollarExpr) eval(m *machine) (any, error) { return m.whole(m.frame.dollar) }

// variableExpr is `$x`.
type variableExpr struct{ slot int }

func (v variableExpr) eval(m *machine) (any, error) { return m.frame.slots[v.slot], nil }

// fieldsExpr is `.a.b`, `$.a.b`, `$x.a` or `(…).a`.
type fieldsExpr struct {
	at   place
	base expression
	path []string
}

func (f *fieldsExpr) eval(m *machine) (any, error) {
	v, path := any(nil), f.path
	switch base := f.base.(type) {
	case dotExpr:
		v = m.dot
	case dollarExpr:
		v = m.frame.dollar
	default:
		var err error
		if v, err = base.eval(m); err != nil {
			return nil, err
		}
	}
	if _, isRoot := v.(rootMark); isRoot {
		v, path = m.rootField(path[0]), path[1:]
	}
	if err := m.budget.Spend(int64(len(f.path))); err != nil {
		return nil, at(f.at, err)
	}
	for _, key := range path {
		switch object := v.(type) {
		case map[string]any:
			item, ok := object[key]
			if !ok {
				item = Absent{}
			}
			v = item
		case Absent:
			return Absent{}, nil
		default:
			return nil, at(f.at, fmt.Errorf("%s has no field %q", describe(v), key))
		}
	}
	return v, nil
}

// callExpr is a function with its arguments; the value piped into it is its last.
type callExpr struct {
	at   place
	fn   *Function
	args []expression
}

func (c *callExpr) eval(m *machine) (any, error) {
	if err := m.budget.Spend(callCost); err != nil {
		return nil, at(c.at, err)
	}
	call := call{m: m, name: c.fn.Name, args: make([]any, len(c.args))}
	for i, arg := range c.args {
		v, err := arg.eval(m)
		if err != nil {
			return nil, err
		}
		if _, none := v.(Absent); none && !c.fn.takesAbsent {
			v = nil
		}
		call.args[i] = v
	}
	v, err := c.fn.run(&call)
	return v, at(c.at, err)
}

// callCost is the fuel that any call costs before its arguments are looked at.
const callCost = 5

// junctionExpr is `and` or `or`: it stops at the first argument that decides.
type junctionExpr struct {
	stopAt bool // the truth that decides: false for and, true for or
	args   []expression
}

func (j *junctionExpr) eval(m *machine) (any, error) {
	var v any
	var err error
	for _, arg := range j.args {
		if err = m.budget.Spend(1); err != nil {
			return nil, err
		}
		if v, err = arg.eval(m); err != nil || truth(v) == j.stopAt {
			return v, err
		}
	}
	return v, nil
}

// placeholderExpr is a placeholder inside a leaf that also has actions.
type placeholderExpr struct {
	at    place
	index int
}

func (p *placeholderExpr) eval(m *machine) (any, error) {
	v, err := m.env.Placeholder(p.index)
	return v, at(p.at, err)
}

// truth is what if, and, or and not go by: everything empty is false.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, Absent:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case Absent:
		return "no value"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	default:
		return "a value"
	}
}
