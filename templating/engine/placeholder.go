package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is a placeholder found in a string: the bytes it covers and the name in it.
type span struct {
	start, end int
	name       string
}

// findPlaceholders returns the placeholders in s, left to right: `{{`, white space, a name, white space,
// `}}`.
func findPlaceholders(s string) []span {
	var found []span
	for from := 0; ; {
		i := strings.Index(s[from:], "{{")
		if i < 0 {
			return found
		}
		start := from + i
		if p, ok := placeholderAt(s, start); ok {
			found = append(found, p)
			from = p.end
			continue
		}
		from = start + 1 // of three braces the last two may still open a placeholder
	}
}

// placeholderAt reads the placeholder that begins at start, if one does.
func placeholderAt(s string, start int) (span, bool) {
	name := skipSpace(s, start+2)
	after := name
	for after < len(s) {
		r, size := utf8.DecodeRuneInString(s[after:])
		if !isNameRune(r) {
			break
		}
		after += size
	}
	end := skipSpace(s, after)
	if after == name || !strings.HasPrefix(s[end:], "}}") {
		return span{}, false
	}
	return span{start: start, end: end + 2, name: s[name:after]}, true
}

func skipSpace(s string, i int) int {
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsSpace(r) {
			break
		}
		i += size
	}
	return i
}

func isNameRune(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r == '_' || r == '.' || r == '-' || r == '[' || r == ']' || r == '$':
		return true
	default:
		return unicode.IsLetter(r) || unicode.IsNumber(r)
	}
}

// splitPath splits a dotted and indexed name into its steps: a.b, a[0] and a.0 all have two.
func splitPath(name string) []string {
	if strings.ContainsAny(name, "[]") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "[", "."), "]", "")
	}
	return strings.Split(name, ".")
}

// IsReachable reports whether a placeholder can refer to a variable with this name.
func IsReachable(name string) bool {
	return name != "" && name[0] != '$' && !strings.ContainsAny(name, ".[]") &&
		strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }) < 0
}
