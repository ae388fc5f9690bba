package reference

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Written are the references of a Job that its template wrote: those of the Job that the same template makes
// with other values (templating.Origin.Substitute).
type Written struct{ byPlace map[string][]Reference }

// NewWritten takes the Job that was made with other values.
func NewWritten(job map[string]any) Written {
	w := Written{byPlace: map[string][]Reference{}}
	for _, r := range Find(job) {
		w.byPlace[r.place()] = append(w.byPlace[r.place()], r)
	}
	return w
}

// Has reports whether the template wrote the reference at its place. A field, a label of nodes and a toleration
// may have other scalars in it: the template offers them to its variables.
func (w Written) Has(r Reference) bool {
	return slices.ContainsFunc(w.byPlace[r.place()], r.isWrittenAs)
}

// HasSame is Has for a reference with the same scalars, in a Job that is meant to be equal.
func (w Written) HasSame(r Reference) bool {
	return slices.ContainsFunc(w.byPlace[r.place()], func(other Reference) bool { return reflect.DeepEqual(r, other) })
}

// minPiece is how long a value must be to count as a piece of a name.
const minPiece = 3

// IsLiteral reports whether the template's text has every word of the reference, and none of them can come from
// what people gave: then the template wrote it, and a condition decided that it is there. Upper and lower case
// and what stands between letters do not count, as functions such as lower, replace and slug change them.
func (r Reference) IsLiteral(text string, given []string) bool {
	for _, word := range r.words() {
		if !strings.Contains(text, word) || slices.ContainsFunc(given, func(v string) bool { return mayGive(v, word) }) {
			return false
		}
	}
	return true
}

// mayGive reports whether a word may come from a value, or a part of it. A short word must stand alone in the
// value: any text has its letters.
func mayGive(value, word string) bool {
	whole, wanted := plain(value), plain(word)
	if len(wanted) < minPiece {
		parts := strings.FieldsFunc(value, func(r rune) bool { return !isPlain(r) })
		return slices.ContainsFunc(parts, func(part string) bool { return strings.EqualFold(part, wanted) })
	}
	return strings.Contains(whole, wanted) || len(whole) >= minPiece && strings.Contains(wanted, whole)
}

// plain is a text in lower case without what is neither letter nor digit.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !isPlain(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}

func isPlain(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// words are the names in a reference, and the keys of what stands there.
func (r Reference) words() []string {
	var words []string
	for _, word := range []string{r.Name, r.Key, r.volume} {
		if word != "" && r.Kind != Toleration && (word != r.Key || r.Kind != NodeLabel) {
			words = append(words, word)
		}
	}
	switch r.Kind {
	case Toleration:
		if key := taintKey(r); key != "" {
			words = append(words, key)
		}
		words = appendWords(words, r.Node, false)
	case Field, Token:
		words = appendWords(words, r.Node, false)
	case Volume:
		words = appendWords(words, r.Node, true)
	}
	return words
}

func appendWords(words []string, v any, scalars bool) []string {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			words = appendWords(append(words, key), item, scalars)
		}
	case []any:
		for _, item := range v {
			words = appendWords(words, item, scalars)
		}
	default:
		if text, ok := scalarText(v); ok && scalars {
			words = append(words, text)
		}
	}
	return words
}

// place is the kind and the path of a reference.
func (r Reference) place() string { return string(r.Kind) + "\x00" + strings.Join(r.Path, "\x00") }

func (r Reference) isWrittenAs(other Reference) bool {
	switch r.Kind {
	case Field, Token:
		return r.Name == other.Name && sameShape(r.Node, other.Node)
	case Volume:
		if r.Name == ephemeral { // a new claim, whose size is a value; what it is filled from is a reference itself
			return other.Name == ephemeral && sameShape(r.Node, other.Node)
		}
		return r.Name == other.Name && reflect.DeepEqual(r.Node, other.Node)
	case NodeLabel:
		return r.Name == other.Name
	case Toleration:
		return taintKey(r) == taintKey(other) && sameShape(r.Node, other.Node)
	}
	return r.Name == other.Name && r.Key == other.Key
}

// ephemeral is the type of volumes that are made for the pod and go with it.
const ephemeral = "ephemeral"

func taintKey(r Reference) string {
	key, _, _ := splitTaint(r.Name)
	return key
}

// sameShape reports whether two values differ in scalars only.
func sameShape(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, v := range a {
			if other, ok := b[key]; !ok || !sameShape(v, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameShape)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// scalarText is a scalar as text; it is false for an object, a list or nothing.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, map[string]any, []any:
		return "", false
	default:
		return fmt.Sprint(v), true
	}
}
