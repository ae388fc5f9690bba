package action

import (
	"fmt"

	"github.com/berth-dev/berth/templating/internal/value"
)

// textStmt is the text between actions.
type textStmt struct{ text string }

func (t textStmt) exec(m *machine) (flow, error) { return flowNext, m.write(t.text) }

// printStmt is an action that prints what its pipeline yields.
type printStmt struct {
	at   place
	expr expression
}

func (p *printStmt) exec(m *machine) (flow, error) {
	v, err := p.expr.eval(m)
	if err != nil {
		return flowNext, err
	}
	if _, none := v.(value.Absent); none {
		return flowNext, nil
	}
	text, ok := value.Text(v)
	if !ok {
		return flowNext, at(p.at,
			fmt.Errorf("%s cannot be printed as text; convert it with toYaml or toJson", value.Describe(v)))
	}
	return flowNext, at(p.at, m.write(text))
}

// setStmt is `$x := …` or `$x = …`; it prints nothing.
type setStmt struct {
	slot int
	expr expression
}

func (s *setStmt) exec(m *machine) (flow, error) {
	v, err := s.expr.eval(m)
	if err == nil {
		m.frame.slots[s.slot] = v
	}
	return flowNext, err
}

// ifStmt is if and with, which differ in what dot is inside.
type ifStmt struct {
	at     place
	expr   expression
	slot   int // of a variable declared in the pipeline, or -1
	setDot bool
	then   *blockStmt
	other  *blockStmt
}

func (s *ifStmt) exec(m *machine) (flow, error) {
	if err := m.budget.Spend(1); err != nil {
		return flowNext, at(s.at, err)
	}
	v, err := s.expr.eval(m)
	if err != nil {
		return flowNext, err
	}
	if s.slot >= 0 {
		m.frame.slots[s.slot] = v
	}
	if !value.Truth(v) {
		return s.other.exec(m)
	}
	if s.setDot {
		saved := m.dot
		m.dot = v
		defer func() { m.dot = saved }()
	}
	return s.then.exec(m)
}

// blockStmt is a list of statements; nil is an empty one.
type blockStmt struct{ list []statement }

func (b *blockStmt) exec(m *machine) (flow, error) {
	if b == nil {
		return flowNext, nil
	}
	for _, s := range b.list {
		if err := m.budget.Spend(1); err != nil {
			return flowNext, err
		}
		if f, err := s.exec(m); err != nil || f != flowNext {
			return f, err
		}
	}
	return flowNext, nil
}

type flowStmt struct{ flow flow }

func (f flowStmt) exec(*machine) (flow, error) { return f.flow, nil }

// rangeStmt iterates over a list, an object in the order of its keys, or the integers below a number.
type rangeStmt struct {
	at       place
	expr     expression
	key, val int // slots, or -1
	body     *blockStmt
	other    *blockStmt
}

func (s *rangeStmt) exec(m *machine) (flow, error) {
	v, err := s.expr.eval(m)
	if err != nil {
		return flowNext, err
	}
	saved := m.dot
	defer func() { m.dot = saved }()
	count, err := s.iterate(m, v)
	if err != nil || count > 0 {
		return flowNext, at(s.at, err)
	}
	m.dot = saved
	return s.other.exec(m)
}

// iterate runs the body for every element and returns how many there were.
func (s *rangeStmt) iterate(m *machine, v any) (int64, error) {
	switch v := v.(type) {
	case nil, value.Absent:
		return 0, nil
	case int64:
		for i := range v {
			if stop, err := s.iteration(m, i, i); stop || err != nil {
				return v, err
			}
		}
		return v, nil
	case []any:
		for i, item := range v {
			if stop, err := s.iteration(m, int64(i), item); stop || err != nil {
				return 1, err
			}
		}
		return int64(len(v)), nil
	case map[string]any:
		if err := m.budget.Spend(int64(len(v))); err != nil {
			return 0, err
		}
		for _, key := range value.SortedKeys(v) {
			if stop, err := s.iteration(m, key, v[key]); stop || err != nil {
				return 1, err
			}
		}
		return int64(len(v)), nil
	default:
		return 0, fmt.Errorf("range cannot iterate over %s", value.Describe(v))
	}
}

func (s *rangeStmt) iteration(m *machine, key, item any) (stop bool, err error) {
	if err := m.budget.Spend(iterationCost); err != nil {
		return true, at(s.at, err)
	}
	if s.key >= 0 {
		m.frame.slots[s.key] = key
	}
	if s.val >= 0 {
		m.frame.slots[s.val] = item
	}
	m.dot = item
	f, err := s.body.exec(m)
	return f == flowBreak, err
}

// iterationCost is the fuel of one iteration of a loop, even of an empty body.
const iterationCost = 2

// templateStmt invokes a defined template.
type templateStmt struct {
	at   place
	name string
	expr expression // nil passes nothing
}

func (s *templateStmt) exec(m *machine) (flow, error) {
	var dot any
	if s.expr != nil {
		var err error
		// Pass the root on as the root: its fields need not be copied into one object.
		switch s.expr.(type) {
		case dotExpr:
			dot = m.dot
		case dollarExpr:
			dot = m.frame.dollar
		default:
			if dot, err = s.expr.eval(m); err != nil {
				return flowNext, err
			}
		}
	}
	return flowNext, at(s.at, m.invoke(s.name, dot))
}
