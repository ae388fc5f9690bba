package reference

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	action = regexp.MustCompile(`(?s)\{\{-?.*?-?\}\}`)
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	// placeholder is `{{ name }}` or `{{ .name }}`.
	placeholder = regexp.MustCompile(`^\{\{-?\s*\.?([\pL\pN_.\-\[\]$]+)\s*-?\}\}$`)
	control     = regexp.MustCompile(`^\{\{-?\s*(if|else|end|with|range|define|template|block)\b`)
)

// isWhole is true for a leaf that is one placeholder and nothing else.
func isWhole(leaf string) bool {
	_, ok := wholeName(leaf)
	return ok
}

func wholeName(leaf string) (string, bool) {
	match := placeholder.FindStringSubmatch(leaf)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// constants are the quoted strings in the actions of a leaf, and the text around them: the words that the
// author of the template wrote there.
func constants(leaf string) []string {
	var words []string
	for _, piece := range action.Split(leaf, -1) {
		if piece = strings.TrimSpace(piece); piece != "" {
			words = append(words, piece)
		}
	}
	for _, a := range action.FindAllString(leaf, -1) {
		words = append(words, quotedWords(a)...)
	}
	return words
}

func quotedWords(text string) []string {
	var words []string
	for _, q := range quoted.FindAllString(text, -1) {
		if word, err := strconv.Unquote(q); err == nil {
			words = append(words, word)
		}
	}
	return words
}

// keysAre reports whether every key of a value is one of the words.
func keysAre(v any, words []string) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if !slices.Contains(words, key) || !keysAre(item, words) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !keysAre(item, words) })
	}
	return true
}

// matches reports whether a leaf of the template can render to a text without a job variable deciding it:
// the leaf is that text, or its placeholders take only values that the template gives.
func (t Template) matches(leaf, text string) bool {
	if !strings.Contains(leaf, "{{") {
		return leaf == text
	}
	actions := action.FindAllString(leaf, -1)
	if slices.ContainsFunc(actions, control.MatchString) {
		return slices.Contains(constants(leaf), text)
	}
	var pattern strings.Builder
	pieces := action.Split(leaf, -1)
	for i, piece := range pieces {
		pattern.WriteString(regexp.QuoteMeta(piece))
		if i < len(actions) {
			pattern.WriteString(t.pattern(actions[i]))
		}
	}
	expression, err := regexp.Compile("^(?:" + pattern.String() + ")$")
	return err == nil && expression.MatchString(text)
}

// isClosed is true for a leaf whose texts are known, whatever the job variables are.
func (t Template) isClosed(leaf string) bool {
	return !slices.ContainsFunc(action.FindAllString(leaf, -1),
		func(a string) bool { return t.pattern(a) == never })
}

const (
	never = `[^\s\S]`
	// segment is what a value of the run or of the worker's environment may add to a name.
	segment = `[A-Za-z0-9._-]+`
)

// trusted are the values of the run at hand that its user cannot choose.
var trusted = [...]string{
	"ctx.run.id", "ctx.run.attempt", "ctx.deployment.id", "ctx.pool.name", "ctx.worker.name", "ctx.flow_run.id",
}

// pattern is what an action of a leaf can print.
func (t Template) pattern(a string) string {
	var words []string
	if match := placeholder.FindStringSubmatch(a); match != nil {
		name := match[1]
		if slices.Contains(trusted[:], name) || strings.HasPrefix(name, "$") && len(name) > 1 {
			return segment
		}
		for _, v := range t.given(name) {
			if text, ok := scalarText(v); ok {
				words = append(words, text)
			}
		}
	} else {
		words = quotedWords(a)
	}
	if len(words) == 0 {
		return never
	}
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}
	return "(?:" + strings.Join(words, "|") + ")"
}

// given are the values that the template itself gives to a variable, or to what a path leads to inside it: its
// default, const, enum and frozen value.
func (t Template) given(name string) []any {
	steps := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	if len(steps) == 0 {
		return nil
	}
	properties, _ := t.Variables["properties"].(map[string]any)
	schema, _ := properties[steps[0]].(map[string]any)
	values := t.schemaValues(schema, 0)
	if v, ok := t.Frozen[steps[0]]; ok {
		values = append(values, v)
	}
	for _, step := range steps[1:] {
		var inside []any
		for _, v := range values {
			if object, ok := v.(map[string]any); ok && object[step] != nil {
				inside = append(inside, object[step])
			}
			if list, ok := v.([]any); ok {
				if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(list) {
					inside = append(inside, list[i])
				}
			}
		}
		schema = t.deref(schema)
		below, _ := schema["properties"].(map[string]any)
		schema, _ = below[step].(map[string]any)
		values = append(inside, t.schemaValues(schema, 0)...)
	}
	return values
}

// maxDepth bounds how far a schema is followed.
const maxDepth = 16

func (t Template) schemaValues(schema map[string]any, depth int) []any {
	if schema = t.deref(schema); schema == nil || depth > maxDepth {
		return nil
	}
	var values []any
	for _, key := range []string{"default", "const"} {
		if v := schema[key]; v != nil {
			values = append(values, v)
		}
	}
	if list, ok := schema["enum"].([]any); ok {
		values = append(values, list...)
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		list, _ := schema[key].([]any)
		for _, item := range list {
			below, _ := item.(map[string]any)
			values = append(values, t.schemaValues(below, depth+1)...)
		}
	}
	if items, ok := schema["items"].(map[string]any); ok { // a list of what the template allows
		if list := t.schemaValues(items, depth+1); len(list) > 0 {
			values = append(values, list)
		}
	}
	if below, ok := schema["properties"].(map[string]any); ok {
		values = append(values, t.objectValues(below, depth)...)
	}
	return values
}

// objectValues are objects with one property each that the schema fixes. They stand for objects with several.
func (t Template) objectValues(properties map[string]any, depth int) []any {
	var values []any
	object := map[string]any{}
	for name, property := range properties {
		below, _ := property.(map[string]any)
		if list := t.schemaValues(below, depth+1); len(list) == 1 {
			object[name] = list[0]
		} else {
			for _, v := range list {
				values = append(values, map[string]any{name: v})
			}
		}
	}
	if len(object) > 0 {
		values = append(values, object)
	}
	return values
}

func (t Template) deref(schema map[string]any) map[string]any {
	for range maxDepth {
		ref, ok := schema["$ref"].(string)
		path, local := strings.CutPrefix(ref, "#/")
		if !ok || !local {
			return schema
		}
		target := t.Variables
		for _, step := range strings.Split(path, "/") {
			target, _ = target[step].(map[string]any)
		}
		schema = target
	}
	return nil
}

// scalarText is a scalar as text; it is false for an object, a list or nothing.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, map[string]any, []any, expression, declared:
		return "", false
	default:
		return fmt.Sprint(v), true
	}
}
