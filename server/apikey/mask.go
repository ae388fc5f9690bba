package apikey

import (
	"regexp"
	"strings"
)

// whole is a key, or most of one, inside a text: one that was pasted where it does not belong.
var whole = regexp.MustCompile(prefix + `([0-9a-f]{32}|[0-9a-f]{8})_[A-Za-z0-9_-]{16,}`)

// Mask leaves of every key in a text what may be shown. It is for what others have sent and goes into logs,
// answers and the audit.
func Mask(text string) string {
	if !strings.Contains(text, prefix) {
		return text
	}
	return whole.ReplaceAllString(text, prefix+"${1}_…")
}
