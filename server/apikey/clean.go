package apikey

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean takes off what editors, shells and Secrets put around a key: line breaks, spaces and a byte order mark.
// What remains must fit into an HTTP header. The error says what does not, and never contains the key.
func Clean(text string) (string, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("it is not text in UTF-8; it may be compressed, encrypted or in UTF-16")
	}
	at := 0
	for _, r := range text {
		at++
		if kind := unfit(r); kind != "" {
			return "", fmt.Errorf("character %d is %s; it must be a single line without spaces, as it was issued", at, kind)
		}
	}
	return text, nil
}

// unfit names the kind of a character that no key contains; empty if a key may contain it.
func unfit(r rune) string {
	switch {
	case r == '\n', r == '\r', r == '\u0085', r == '\u2028', r == '\u2029':
		return "a line break"
	case r == '\t':
		return "a tab"
	case unicode.IsSpace(r):
		return "a space"
	case r == '"', r == '\'', r == '`':
		return "a quotation mark"
	case unicode.IsControl(r):
		return fmt.Sprintf("the control character U+%04X", r)
	case unicode.Is(unicode.Cf, r):
		return fmt.Sprintf("the invisible character U+%04X", r)
	case r >= utf8.RuneSelf:
		return "outside ASCII"
	}
	return ""
}
