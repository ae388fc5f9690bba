package action

import (
	"errors"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// maxTemplateValue bounds a text that is executed as a template while another one is.
const maxTemplateValue = 64 << 10

// Template implements function.Render: it executes a text with data as its root, within the same bounds as
// everything else that the leaf does. The text sees nothing but data.
func (m *machine) Template(source string, data any) (any, error) {
	if len(source) > maxTemplateValue {
		return nil, &value.LimitError{Limit: "source", Max: maxTemplateValue, What: "tpl"}
	}
	if m.calls >= m.budget.Limits().Calls {
		return nil, &value.LimitError{Limit: "calls", Max: int64(m.budget.Limits().Calls), What: "tpl"}
	}
	// Compiling builds a tree of what is written: a node for every few bytes.
	if err := m.budget.Spend(200 + 4*int64(len(source))); err != nil {
		return nil, err
	}
	if err := m.budget.Alloc(4<<10 + 64*int64(len(source))); err != nil {
		return nil, err
	}
	template, issues := Compile(source, Options{Text: true})
	if len(issues) > 0 {
		return nil, errors.New("tpl: " + issues[0].Message)
	}
	if template.mutates { // set and merge change a copy, never the values that others see
		copied, err := m.budget.Copy(data)
		if err != nil {
			return nil, err
		}
		data = copied
	}

	outer := *m
	m.template, m.out, m.dot = template, &strings.Builder{}, data
	m.frame = newFrame(data, template.main.slots)
	m.calls++
	m.capturing++
	_, err := template.main.body.exec(m)
	text := m.out.String()
	m.template, m.out, m.dot, m.frame = outer.template, outer.out, outer.dot, outer.frame
	m.calls--
	m.capturing--
	return text, err
}
