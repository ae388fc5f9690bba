package cli

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// ownStyle matches the sequences that Style writes: colours and weights.
var ownStyle = regexp.MustCompile(`^\x1b\[(0|1|2|22|31|32|33|39)m`)

// Escape shows control characters as \u001b does: a terminal would obey them. Characters that change the
// direction of text are shown in the same way. With styled, the sequences of Style remain.
func Escape(text string, styled bool) string {
	if !strings.ContainsFunc(text, isControl) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case !isControl(r), r == '\x1b' && styled && ownStyle.MatchString(text[i:]):
			b.WriteRune(r)
		case r == '\r' && strings.HasPrefix(text[i:], "\r\n"):
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func isControl(r rune) bool {
	return r != '\n' && r != '\t' && unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r)
}
