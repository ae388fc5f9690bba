package value

import "strings"

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer appends one step to a JSON pointer (RFC 6901).
func Pointer(base, step string) string {
	if strings.ContainsAny(step, "~/") {
		step = pointerEscaper.Replace(step)
	}
	return base + "/" + step
}

// Walk follows steps into a value. A numeric step indexes a list or names a key of an object; what is not
// there, and anything inside a scalar, is no value.
func Walk(v any, steps []string) (any, bool) {
	for _, step := range steps {
		switch container := v.(type) {
		case map[string]any:
			item, ok := container[step]
			if !ok {
				return nil, false
			}
			v = item
		case []any:
			i, ok := listIndex(step)
			if !ok || i >= len(container) {
				return nil, false
			}
			v = container[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// listIndex reads a step that is all ASCII digits; anything negative or signed is no index.
func listIndex(step string) (int, bool) {
	if step == "" || len(step) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(step) {
		c := step[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
