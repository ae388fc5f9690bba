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
)

// MaxDepth bounds how deep objects and lists may be nested. Walks are recursive, and a Go stack that
// overflows can not be recovered, so nothing deeper is ever let in.
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

// Kind names the type of a value in the words of JSON, for messages.
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
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

// Article puts the article before the name of a type.
func Article(kind string) string {
	switch kind {
	case "null":
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
