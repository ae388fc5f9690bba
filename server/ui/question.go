package ui

import (
	"errors"
	"net/http"
)

// questionView asks before something is changed. Where there is a script, a link with data-dialog shows it over the page
// that one is on.
type questionView struct {
	Frame
	Heading string
	Lines   []string // what will happen
	Names   []string // the things it will happen to
	Fields  []field
	Button  string
	Danger  bool
	Problem string
	Back    string // address
}

// field of a question.
type field struct {
	Kind     string // text, number, textarea, checkbox or hidden
	Name     string
	Label    string
	Value    string
	Hint     string
	Checked  bool
	Required bool
}

// ask answers with a question.
func (q questionView) ask() page { return page{template: "question", view: q} }

// again asks once more, with what the API refused and with what was typed.
func (q questionView) again(v *visit, err error) (page, error) {
	answered := &apiError{}
	if !errors.As(err, &answered) || answered.status >= http.StatusInternalServerError ||
		answered.status == http.StatusUnauthorized || answered.status == http.StatusForbidden ||
		answered.status == http.StatusNotFound {
		return page{}, err
	}
	q.Problem = answered.Error()
	for i, f := range q.Fields {
		if f.Kind == "checkbox" {
			q.Fields[i].Checked = v.PostForm.Has(f.Name)
		} else if f.Kind != "hidden" && v.PostForm.Has(f.Name) {
			q.Fields[i].Value = v.PostForm.Get(f.Name)
		}
	}
	return page{status: answered.status, template: "question", view: q}, nil
}
