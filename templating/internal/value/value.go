// Package value is the small world of data that templates work on: what JSON can say, with integers and
// floats kept apart.
//
// A value is one of map[string]any, []any, string, bool, nil, int64 and float64, nothing else. Everything
// that enters the template language is brought into this form once (DecodeJSON, DecodeYAML, Normalize), so
// that the rest of the code can switch over seven cases and 2 never turns into 2.0 or back.
package value

import (
	"math"
	"strconv"
	"strings"
)

// MaxDepth bounds how deep objects and lists may be nested. Walks are recursive, and a Go stack that
// overflows cannot be recovered, so nothing deeper is ever let in.
const MaxDepth = 100

// Copy returns a deep copy. The value must be a tree no deeper than MaxDepth, as all decoded values are.
func Copy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return CopyMap(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = Copy(item)
		}
		return list
	default:
		return v
	}
}

// CopyMap is Copy for an object; nil stays nil.
func CopyMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	object := make(map[string]any, len(m))
	for key, item := range m {
		object[key] = Copy(item)
	}
	return object
}

// Equal says whether two values are the same. 2 and 2.0 are: they are one number to whoever reads the
// manifest.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case int64:
		if b, ok := b.(float64); ok {
			return float64(a) == b
		}
	case float64:
		if b, ok := b.(int64); ok {
			return a == float64(b)
		}
	}
	return a == b
}

func equalMaps(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for key, item := range a {
		other, ok := b[key]
		if !ok || !Equal(item, other) {
			return false
		}
	}
	return true
}

// Absent is "no value": what a missing key yields inside an action, and what the function absent returns. It
// is never part of another value.
type Absent struct{}

// Truth is the condition of if, and, or and not: everything empty is false.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil, Absent:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

// Describe names the type of a value with its article, for messages.
func Describe(v any) string { return Article(Kind(v)) }

// Kind names the type of a value in the words of JSON.
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case Absent:
		return "no value"
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "number"
	default:
		return "value"
	}
}

// Article puts the article before the name of a type; "array" is JSON Schema's word for a list.
func Article(kind string) string {
	switch kind {
	case "null", "no value":
		return kind
	case "array":
		return "a list"
	case "object", "integer":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// Text writes a scalar as it reads inside other text: strings as they are, numbers and booleans as JSON
// writes them, null as nothing. It is false for objects and lists, which have no text form.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return string(AppendFloat(nil, v)), true
	default:
		return "", false
	}
}

// AppendFloat writes a float the way JSON does, but always recognisable as one: 2.0, not 2.
func AppendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

// Slug makes a lower-case DNS label of at most limit characters out of any text; it is empty when nothing of
// the text can be used.
func Slug(s string, limit int) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s) {
		if b.Len() >= limit {
			break
		}
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
			dash = false
		case b.Len() > 0 && !dash:
			b.WriteByte('-')
			dash = true
		}
	}
	return strings.TrimRight(b.String(), "-")
}
