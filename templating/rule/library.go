package rule

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/berth-dev/berth/templating"
)

//go:embed library.yaml
var libraryFile []byte

// Template is a rule of the library. Its parameters have defaults, so that it can be used as it is.
type Template struct {
	Name              string           `json:"name"`
	Description       string           `json:"description"`
	Expression        string           `json:"expression"`
	Message           string           `json:"message"`
	MessageExpression string           `json:"message_expression"`
	Params            map[string]Param `json:"params"`
	Examples          struct {
		Pass []Example `json:"pass"`
		Fail []Example `json:"fail"`
	} `json:"examples"`
}

// Param is a parameter of a rule of the library.
type Param struct {
	Description string          `json:"description"`
	Default     json.RawMessage `json:"default"`
}

// Example is a Job that a rule of the library accepts or refuses: a whole Job, or the spec of its pod.
type Example struct {
	Job     map[string]any `json:"job"`
	Pod     map[string]any `json:"pod"`
	Queue   string         `json:"queue"`
	Retries int            `json:"retries"`
	Params  map[string]any `json:"params"`
}

// Library returns the ready rules, in the order of their file. Callers do not change it.
var Library = sync.OnceValue(func() []Template {
	var library []Template
	v, err := templating.DecodeYAML(libraryFile)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(v); err == nil {
			err = json.Unmarshal(data, &library)
		}
	}
	if err != nil {
		panic("the library of rules, which is part of this program, cannot be read: " + err.Error())
	}
	return library
})

// FindTemplate returns a rule of the library.
func FindTemplate(name string) (Template, error) {
	library := Library()
	i := slices.IndexFunc(library, func(t Template) bool { return t.Name == name })
	if i >= 0 {
		return library[i], nil
	}
	names := make([]string, len(library))
	for i, t := range library {
		names[i] = t.Name
	}
	p := problemf(templating.CodeInvalid, "/from", "the library has no rule %q", name)
	if p.Suggestion = didYouMean(name, names); p.Suggestion == "" {
		p.Suggestion = "berth pool rule library ls lists them"
	}
	return Template{}, templating.Problems{p}
}

// Expand fills in what a rule with From leaves to the library: expressions, message and description, and the
// defaults of parameters. What the rule says itself counts. A rule without From is returned as it is.
//
// The result holds a copy of the library's expressions, so that another release of Berth changes no stored
// rule.
func Expand(r Rule) (Rule, error) {
	if r.From == "" {
		return r, nil
	}
	t, err := FindTemplate(r.From)
	if err != nil {
		return r, err
	}
	if r.Name == "" {
		r.Name = t.Name
	}
	if r.Action == "" {
		r.Action = Deny
	}
	if r.Description == "" {
		r.Description = t.Description
	}
	if r.Expression == "" {
		r.Expression = t.Expression
	}
	if r.Message == "" && r.MessageExpression == "" {
		r.Message, r.MessageExpression = t.Message, t.MessageExpression
	}
	r.Params, err = t.params(r.Params)
	return r, err
}

// params are the given parameters over the defaults.
func (t Template) params(given map[string]any) (map[string]any, error) {
	names := slices.Sorted(maps.Keys(t.Params))
	params := map[string]any{}
	for _, name := range names {
		v, err := templating.DecodeJSON(t.Params[name].Default)
		if err != nil {
			return nil, fmt.Errorf("read the default of parameter %q: %w", name, err)
		}
		params[name] = v
	}
	var problems templating.Problems
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if _, ok := params[name]; !ok {
			p := problemf(templating.CodeUnknownField, "/params/"+name, "rule %q has no parameter %q", t.Name, name)
			p.Suggestion = didYouMean(name, names)
			problems = append(problems, p)
			continue
		}
		normal, err := templating.Normalize(value)
		if err != nil {
			problems = append(problems, problemf(templating.CodeInvalid, "/params/"+name, "%v", err))
			continue
		}
		if want, got := typeOfValue(params[name]), typeOfValue(normal); want.Kind() != got.Kind() {
			problems = append(problems, problemf(templating.CodeType, "/params/"+name,
				"parameter %q must be %s, not %s", name, typeName(want.String()), typeName(got.String())))
		}
		params[name] = normal
	}
	return params, problems.ErrorOrNil()
}
