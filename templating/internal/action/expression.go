package action

import (
	"errors"
	"fmt"
	"text/template/parse"

	"github.com/berth-dev/berth/templating/internal/function"
	"github.com/berth-dev/berth/templating/internal/value"
)

// place is a byte offset in the source that was parsed.
type place = parse.Pos

// EvalError is an error of an execution with its place. Offset counts bytes in the source that was parsed.
type EvalError struct {
	Offset int
	Err    error
}

func (e *EvalError) Error() string { return e.Err.Error() }

func (e *EvalError) Unwrap() error { return e.Err }

// at gives an error its place, unless it has one already: the innermost place says most.
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

// statement writes text and returns how execution goes on.
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

func (dotExpr) eval(m *machine) (any, error) { return m.rootObject(m.dot) }

type dollarExpr struct{}

func (dollarExpr) eval(m *machine) (any, error) { return m.rootObject(m.frame.dollar) }

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
				item = value.Absent{}
			}
			v = item
		case value.Absent:
			return value.Absent{}, nil
		default:
			return nil, at(f.at, fmt.Errorf("%s has no field %q", value.Describe(v), key))
		}
	}
	return v, nil
}

// callExpr is a function with its arguments; the value piped into it is its last.
type callExpr struct {
	at   place
	fn   *function.Function
	args []expression
}

func (c *callExpr) eval(m *machine) (any, error) {
	if err := m.budget.Spend(callCost); err != nil {
		return nil, at(c.at, err)
	}
	args := make([]any, len(c.args))
	for i, arg := range c.args {
		v, err := arg.eval(m)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	v, err := c.fn.Call(m.budget, m, args)
	return v, at(c.at, err)
}

// callCost is the fuel of any call, paid before its arguments are evaluated.
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
		if v, err = arg.eval(m); err != nil || value.Truth(v) == j.stopAt {
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
