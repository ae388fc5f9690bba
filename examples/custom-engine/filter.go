package filters

import (
	"strings"

	"github.com/berth-dev/berth/templating"
)

// filter changes a value. It never changes what it is given, and gives the same result for the same value.
type filter func(v any) (any, error)

// filterError is what a filter has against its value; the engine adds the place.
type filterError string

func (e filterError) Error() string { return string(e) }

const errNotText filterError = "an object or a list cannot be part of a longer string"

func filterNames() []string { return []string{"length", "lower", "slug", "trim", "upper"} }

func filterNamed(name string) (filter, bool) {
	switch name {
	case "length":
		return length, true
	case "lower":
		return onText(strings.ToLower), true
	case "slug":
		return onText(slug), true
	case "trim":
		return onText(strings.TrimSpace), true
	case "upper":
		return onText(strings.ToUpper), true
	default:
		return nil, false
	}
}

// onText makes a filter of a function on strings.
func onText(change func(string) string) filter {
	return func(v any) (any, error) {
		text, ok := templating.Text(v)
		if !ok {
			return nil, errNotText
		}
		return change(text), nil
	}
}

// slug keeps letters and digits of a text, in lower case, with a dash between words.
func slug(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text),
		func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "-")
}

// length counts items, keys or characters.
func length(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		return int64(len(v)), nil
	case map[string]any:
		return int64(len(v)), nil
	case string:
		return int64(len([]rune(v))), nil
	default:
		return nil, filterError("a number, a boolean or null has no length")
	}
}
