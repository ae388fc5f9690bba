package berthfile

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// checker compares values with the schema of berth.yaml and collects what does not fit: unknown keys, what is
// missing, and values of a wrong kind. What values mean is for the server to judge.
type checker struct {
	file     string
	root     schema
	problems Problems
}

func (c *checker) fail(at yamldoc.Place, message string) {
	c.problems = append(c.problems, Problem{File: c.file, Place: at, Message: message})
}

// unknown complains about names that are not known, with the nearest one that is.
func (c *checker) unknown(v *yamldoc.Value, where string, known []string) {
	sort.Strings(known)
	for _, m := range v.Names {
		if slices.Contains(known, m.Name) || where == "" && strings.HasPrefix(m.Name, extension) {
			continue
		}
		message := fmt.Sprintf("unknown key %q", m.Name)
		if where != "" {
			message += " in " + where
		}
		c.problems = append(c.problems,
			Problem{File: c.file, Place: m.Place, Message: message, Suggestion: suggestion(m.Name, known)})
	}
}

func suggestion(name string, known []string) string {
	if near := templating.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known are " + strings.Join(known, ", ")
}

// value compares a value with what the schema says of it.
func (c *checker) value(v *yamldoc.Value, s schema, where string) {
	s = s.resolve(c.root)
	if alternatives, ok := s["oneOf"].([]any); ok {
		c.oneOf(v, alternatives, where)
		return
	}
	kinds := s.kinds()
	if len(kinds) == 0 || v.Kind == yamldoc.Null && slices.Contains(kinds, "null") {
		return
	}
	if !c.kind(v, kindOf(kinds[0]), where) {
		return
	}
	switch v.Kind {
	case yamldoc.Object:
		c.object(v, s, where)
	case yamldoc.Array:
		for i, item := range v.Items {
			c.value(item, asSchema(s["items"]), where+itemName(i, item))
		}
	case yamldoc.Number:
		if kinds[0] == "integer" && strings.ContainsAny(v.Literal(), ".eE") {
			c.fail(v.Place, fmt.Sprintf("%s must be a whole number", where))
		}
	case yamldoc.String:
		c.word(v, s, where)
	}
}

// itemName is how an item of a list is spoken of: by its name where it has one.
func itemName(i int, item *yamldoc.Value) string {
	if name := item.Get("name"); name != nil && name.Kind == yamldoc.String && name.Text() != "" {
		return "." + name.Text()
	}
	return fmt.Sprintf("[%d]", i)
}

// object checks the fields of an object.
func (c *checker) object(v *yamldoc.Value, s schema, where string) {
	var known []string
	for name, property := range s.properties() {
		known = append(known, name)
		if value := v.Get(name); value != nil {
			c.value(value, asSchema(property), where+"."+name)
		}
	}
	if s["additionalProperties"] == false {
		c.unknown(v, where, known)
	}
	required, _ := s["required"].([]any) // nothing is
	for _, name := range required {
		if v.Get(fmt.Sprint(name)) == nil {
			c.fail(v.Place, fmt.Sprintf("%s has no %s", where, name))
		}
	}
}

// word checks a string against the few that are allowed.
func (c *checker) word(v *yamldoc.Value, s schema, where string) {
	enum, ok := s["enum"].([]any)
	if !ok || slices.Contains(enum, any(v.Text())) {
		return
	}
	words := make([]string, 0, len(enum))
	for _, word := range enum {
		words = append(words, fmt.Sprint(word))
	}
	problem := Problem{
		File:    c.file,
		Place:   v.Place,
		Message: fmt.Sprintf("%s must be one of %s, not %q", where, strings.Join(words, ", "), v.Text()),
	}
	if near := templating.Nearest(v.Text(), words); near != "" {
		problem.Suggestion = fmt.Sprintf("did you mean %q?", near)
	}
	c.problems = append(c.problems, problem)
}

// oneOf checks a value that may be of several kinds against the alternative of its kind.
func (c *checker) oneOf(v *yamldoc.Value, alternatives []any, where string) {
	var kinds []yamldoc.Kind
	for _, a := range alternatives {
		alternative := asSchema(a).resolve(c.root)
		for _, kind := range alternative.kinds() {
			if kindOf(kind) == v.Kind {
				c.value(v, alternative, where)
				return
			}
			kinds = append(kinds, kindOf(kind))
		}
	}
	c.fail(v.Place, mismatch(v, kinds, where))
}

func kindOf(kind string) yamldoc.Kind {
	switch kind {
	case "array":
		return yamldoc.Array
	case "integer":
		return yamldoc.Number
	}
	return yamldoc.Kind(kind) // the others have the same words
}

func (c *checker) kind(v *yamldoc.Value, want yamldoc.Kind, where string) bool {
	if v.Kind == want {
		return true
	}
	c.fail(v.Place, mismatch(v, []yamldoc.Kind{want}, where))
	return false
}

func article(kind yamldoc.Kind) string {
	if kind == yamldoc.Object {
		return "an"
	}
	return "a"
}
