package berthfile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/yamldoc"
	"github.com/berth-dev/berth/templating"
)

// checker compares values with the generated types of the API and collects what does not fit.
type checker struct {
	file     string
	problems Problems
}

func (c *checker) fail(line int, message string) {
	c.problems = append(c.problems, Problem{File: c.file, Line: line, Message: message})
}

// unknown complains about names that are not known, with the nearest one that is.
func (c *checker) unknown(v *yamldoc.Value, where string, known []string) {
	for _, m := range v.Names {
		if slices.Contains(known, m.Name) {
			continue
		}
		message := fmt.Sprintf("unknown key %q", m.Name)
		if where != "" {
			message += " in " + where
		}
		suggestion := "known are " + strings.Join(known, ", ")
		if near := templating.Nearest(m.Name, known); near != "" {
			suggestion = fmt.Sprintf("did you mean %q?", near)
		}
		c.problems = append(c.problems, Problem{File: c.file, Line: m.Line, Message: message, Suggestion: suggestion})
	}
}

// object compares a value with a struct; further are names that are known besides its fields.
func (c *checker) object(v *yamldoc.Value, spec reflect.Type, where string, further ...string) {
	if !c.kind(v, yamldoc.Object, where) {
		return
	}
	known := slices.Clone(further)
	for i := range spec.NumField() {
		name, _, _ := strings.Cut(spec.Field(i).Tag.Get("json"), ",")
		known = append(known, name)
		if value := v.Get(name); value != nil {
			c.field(value, spec.Field(i).Type, where+"."+name)
		}
	}
	sort.Strings(known)
	c.unknown(v, where, known)
}

func (c *checker) field(v *yamldoc.Value, t reflect.Type, where string) {
	optional := t.Kind() == reflect.Pointer
	if optional {
		t = t.Elem()
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		c.kind(v, yamldoc.Object, where)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.object(v, t, where)
	case reflect.Slice:
		if c.kind(v, yamldoc.Array, where) {
			for i, item := range v.Items {
				c.field(item, t.Elem(), fmt.Sprintf("%s[%d]", where, i))
			}
		}
	case reflect.String:
		if v.Kind == yamldoc.Number || v.Kind == yamldoc.Bool {
			c.fail(v.Line, fmt.Sprintf("%s must be a string, this is a %s: write it in quotes", where, v.Kind))
			return
		}
		c.kind(v, yamldoc.String, where)
	case reflect.Bool:
		c.kind(v, yamldoc.Bool, where)
	default:
		// A limit that is null is one that is taken away.
		if !optional || v.Kind != yamldoc.Null {
			c.kind(v, yamldoc.Number, where)
		}
	}
}

func (c *checker) kind(v *yamldoc.Value, want yamldoc.Kind, where string) bool {
	if v.Kind == want {
		return true
	}
	c.fail(v.Line, fmt.Sprintf("%s must be %s %s, this is %s %s", where, article(want), want, article(v.Kind), v.Kind))
	return false
}

func article(kind yamldoc.Kind) string {
	if kind == yamldoc.Object {
		return "an"
	}
	return "a"
}
