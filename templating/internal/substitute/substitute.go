// Package substitute changes values so that they keep their form: type, length, keys that are known, what
// looks like a date or a quantity. A template that is rendered with the changed values shows what of its
// result is its own.
package substitute

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Values changes the values of one variable.
type Values struct {
	// Words are texts that stay as they are, alone or at either end of a text.
	Words map[string]bool
	// Keys are keys that stay.
	Keys map[string]bool
	// Gently changes one character of each text, and what could be the structure of YAML.
	Gently bool
	// Resolve follows the $ref of a schema.
	Resolve func(schema map[string]any) map[string]any
}

// maxDepth bounds how deep schemas of alternatives are looked at.
const maxDepth = 8

// Value changes all of a value that neither base, the value of the template, nor schema gives.
func (s Values) Value(v, base any, schema map[string]any) any {
	if value.Equal(v, base) || s.gives(schema, v, 0) {
		return v
	}
	switch v := v.(type) {
	case string:
		return s.text(v)
	case int64:
		if s.Gently && v > 0 {
			return v - 1
		}
		return v + 1
	case float64:
		return v + 1
	case []any:
		return s.list(v, base, schema)
	case map[string]any:
		return s.object(v, base, schema)
	}
	return v
}

func (s Values) list(list []any, base any, schema map[string]any) []any {
	under, _ := base.([]any)
	changed := make([]any, len(list))
	for i, item := range list {
		var below any
		if i < len(under) {
			below = under[i]
		}
		changed[i] = s.Value(item, below, s.below(schema, "", 0))
	}
	return changed
}

func (s Values) object(object map[string]any, base any, schema map[string]any) map[string]any {
	under, _ := base.(map[string]any)
	changed := make(map[string]any, len(object))
	for _, key := range value.SortedKeys(object) {
		below, inBase := under[key]
		property := s.below(schema, key, 0)
		name := key
		if !inBase && !s.lists(schema, key, 0) {
			name = s.Key(key)
		}
		for _, taken := changed[name]; taken; _, taken = changed[name] {
			name += "x"
		}
		changed[name] = s.Value(object[key], below, property)
	}
	return changed
}

// Key changes a key that only values have.
func (s Values) Key(key string) string {
	if s.Keys[key] || s.Words[key] {
		return key
	}
	return rotate(key)
}

// gives reports whether the schema itself names the value.
func (s Values) gives(schema map[string]any, v any, depth int) bool {
	return s.some(schema, depth, func(schema map[string]any) bool {
		if given, ok := schema["const"]; ok && value.Equal(given, v) {
			return true
		}
		if given, ok := schema["default"]; ok && value.Equal(given, v) {
			return true
		}
		list, _ := schema["enum"].([]any)
		return slices.ContainsFunc(list, func(given any) bool { return value.Equal(given, v) })
	})
}

// lists reports whether the schema has the key among its properties.
func (s Values) lists(schema map[string]any, key string, depth int) bool {
	return s.some(schema, depth, func(schema map[string]any) bool {
		properties, _ := schema["properties"].(map[string]any)
		_, ok := properties[key]
		return ok
	})
}

// below is the schema of a property, or of the items where key is empty.
func (s Values) below(schema map[string]any, key string, depth int) map[string]any {
	var found map[string]any
	s.some(schema, depth, func(schema map[string]any) bool {
		if key == "" {
			found, _ = schema["items"].(map[string]any)
		} else {
			properties, _ := schema["properties"].(map[string]any)
			found, _ = properties[key].(map[string]any)
		}
		if found == nil && key != "" {
			found, _ = schema["additionalProperties"].(map[string]any)
		}
		return found != nil
	})
	return found
}

// some reports whether the schema or one of its alternatives is what is looked for.
func (s Values) some(schema map[string]any, depth int, is func(map[string]any) bool) bool {
	if schema == nil || depth > maxDepth {
		return false
	}
	if schema = s.Resolve(schema); schema == nil {
		return false
	}
	if is(schema) {
		return true
	}
	for _, key := range [...]string{"anyOf", "oneOf", "allOf"} {
		list, _ := schema[key].([]any)
		for _, item := range list {
			alternative, _ := item.(map[string]any)
			if s.some(alternative, depth+1, is) {
				return true
			}
		}
	}
	return false
}

var (
	// date keeps its month and day, so that it stays one.
	date = regexp.MustCompile(`^(\d{4})(-\d{2}-\d{2}(?:[T ][0-9:.]+(?:Z|[+-]\d{2}:?\d{2})?)?)$`)
	// measure is a number, a quantity or a duration, such as 0.5, 512Mi and 1h30m, which keep their units.
	measure = regexp.MustCompile(`^[+-]?(\d+(\.\d+)?[A-Za-z]{0,2})+$`)
)

func (s Values) text(text string) string {
	if s.Words[text] {
		return text
	}
	if s.Gently {
		return gently(text)
	}
	if parts := date.FindStringSubmatch(text); parts != nil {
		return rotate(parts[1]) + parts[2]
	}
	if measure.MatchString(text) {
		return strings.Map(rotateDigit, text)
	}
	return s.between(text)
}

// between changes a text except for words at its ends, which a template may ask for with hasPrefix or
// hasSuffix.
func (s Values) between(text string) string {
	start, end := 0, len(text)
	for word := range s.Words {
		if strings.HasPrefix(text, word) && len(word) > start && len(word) < len(text) {
			start = len(word)
		}
	}
	for word := range s.Words {
		if at := len(text) - len(word); strings.HasSuffix(text, word) && at > start && at < end {
			end = at
		}
	}
	return text[:start] + rotate(text[start:end]) + text[end:]
}

// rotate replaces each letter and digit by another of its kind, and ends of lines, which are structure in
// YAML, by a letter.
func rotate(text string) string { return strings.Map(rotateRune, text) }

func rotateRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return 'a' + (r-'a'+1)%26
	case r >= 'A' && r <= 'Z':
		return 'A' + (r-'A'+1)%26
	case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
		return 'x'
	case r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsNumber(r)):
		return 'x'
	}
	return rotateDigit(r)
}

func rotateDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return '0' + (r-'0'+1)%10
	}
	return r
}

var structure = strings.NewReplacer(",", "x", "{", "x", "}", "x", "[", "x", "]", "x", `"`, "x", "'", "x",
	"#", "x", "\n", "x", "\r", "x", ": ", "xx", " ", "x")

// gently changes the last letter or digit of a text, and takes from it what could be structure.
func gently(text string) string {
	text = structure.Replace(text)
	at := strings.LastIndexFunc(text, func(r rune) bool { return rotateRune(r) != r })
	if at < 0 {
		return text
	}
	return text[:at] + rotate(text[at:])
}
