package action

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Env is what a template is executed with. Nothing in it is changed.
type Env struct {
	// Variables and Context are the fields of the root: .name and .ctx.
	Variables map[string]any
	Context   map[string]any
	// Placeholder yields the i-th placeholder of the leaf; value.Absent is no value.
	Placeholder func(i int) (any, error)
	Budget      *value.Budget
	// Now is what the function now returns. Seed is what generated ids are derived from.
	Now  time.Time
	Seed uuid.UUID
	// Place is the JSON pointer of the leaf; it makes the generated IDs of different leaves differ.
	Place string
}

// contextField is the field of the root that holds the run at hand.
const contextField = "ctx"

// rootMark stands for the root until it is needed as one object, which most templates never do.
type rootMark struct{}

// machine executes one template once.
type machine struct {
	template *Template
	env      *Env
	budget   *value.Budget
	dot      any
	frame    *frame
	out      *strings.Builder
	// capturing counts the open includes. Their text is charged as memory, not as output.
	capturing int
	calls     int
	// root is the root as one object, built when it is first needed.
	root  map[string]any
	uuids int
}

// frame holds the variables of one invocation of a template.
type frame struct {
	dollar any
	slots  []any
}

// Text executes the template and returns what it writes.
func (t *Template) Text(env *Env) (text string, err error) {
	m, err := t.start(env)
	if err != nil {
		return "", err
	}
	defer recoverInto(&err)
	if _, err := t.main.body.exec(m); err != nil {
		return "", err
	}
	return m.out.String(), nil
}

// Value executes a template that IsValue, and returns what its one action evaluates to; value.Absent is no
// value. The value may share parts with what is in env.
func (t *Template) Value(env *Env) (v any, err error) {
	m, err := t.start(env)
	if err != nil {
		return nil, err
	}
	defer recoverInto(&err)
	return t.single.eval(m)
}

func (t *Template) start(env *Env) (*machine, error) {
	m := &machine{
		template: t, env: env, budget: env.Budget, dot: rootMark{}, out: &strings.Builder{},
		frame: &frame{dollar: rootMark{}, slots: make([]any, t.main.slots)},
	}
	if !t.mutates {
		return m, nil
	}
	// set and merge change a copy that belongs to this leaf, never the values that others see.
	root, err := m.rootObject(rootMark{})
	if err == nil {
		root, err = m.budget.Copy(root)
	}
	if err != nil {
		return nil, err
	}
	m.root, _ = root.(map[string]any) // a copy of an object is one
	return m, nil
}

// recoverInto keeps a bug of this package from ending the process: a panic becomes an error.
func recoverInto(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("internal error: %v", r)
	}
}

// rootObject returns dot or $ as a value: the root as one object, anything else unchanged.
func (m *machine) rootObject(v any) (any, error) {
	if _, isRoot := v.(rootMark); !isRoot {
		return v, nil
	}
	if m.root == nil {
		if err := m.budget.Alloc(int64(len(m.env.Variables)+1) * 48); err != nil {
			return nil, err
		}
		m.root = make(map[string]any, len(m.env.Variables)+1)
		for name, v := range m.env.Variables {
			m.root[name] = v
		}
		m.root[contextField] = m.env.Context
	}
	return m.root, nil
}

// rootField returns a field of the root without building the root object.
func (m *machine) rootField(name string) any {
	if m.root != nil {
		if v, ok := m.root[name]; ok {
			return v
		}
		return value.Absent{}
	}
	if name == contextField {
		return m.env.Context
	}
	if v, ok := m.env.Variables[name]; ok {
		return v
	}
	return value.Absent{}
}

// write pays for text and writes it.
func (m *machine) write(s string) error {
	pay := m.budget.Output
	if m.capturing > 0 {
		pay = m.budget.Alloc
	}
	if err := pay(int64(len(s))); err != nil {
		return err
	}
	m.out.WriteString(s)
	return nil
}

// invokeCost is the fuel of invoking a template.
const invokeCost = 10

// invoke runs a defined template with its own variables.
func (m *machine) invoke(name string, dot any) error {
	target, ok := m.template.defined[name]
	if !ok {
		return fmt.Errorf("template %q is not defined", name)
	}
	if m.calls >= m.budget.Limits().Calls {
		return &value.LimitError{
			Limit: "calls",
			Max:   int64(m.budget.Limits().Calls),
			What:  "templates invoking templates",
		}
	}
	if err := m.budget.Spend(invokeCost + int64(target.slots)); err != nil {
		return err
	}
	frame, before := m.frame, m.dot
	m.calls++
	m.frame, m.dot = newFrame(dot, target.slots), dot
	_, err := target.body.exec(m)
	m.frame, m.dot = frame, before
	m.calls--
	return err
}

func newFrame(dollar any, slots int) *frame { return &frame{dollar: dollar, slots: make([]any, slots)} }

// Now implements function.Render.
func (m *machine) Now() time.Time { return m.env.Now }

// Include implements function.Render: it runs a defined template and returns its text.
func (m *machine) Include(name string, data any) (any, error) {
	out := m.out
	m.out = &strings.Builder{}
	m.capturing++
	err := m.invoke(name, data)
	text := m.out.String()
	m.capturing--
	m.out = out
	return text, err
}

// NewUUID implements function.Render: the ID is derived from run, attempt, place and count.
func (m *machine) NewUUID() string {
	m.uuids++
	id := uuid.NewSHA1(m.env.Seed, fmt.Appendf(nil, "%s#%d", m.env.Place, m.uuids))
	id[6] = id[6]&0x0f | 0x40 // version 4, as the name of the function promises
	return id.String()
}
