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
