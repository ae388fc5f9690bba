package manifest

import "strings"

// Escape keeps Kubernetes from expanding anything in a value that is data: $(NAME) would become another
// variable's value, and $$ one dollar.
func Escape(s string) string { return strings.ReplaceAll(s, "$", "$$") }

// Expand does to env values, commands and arguments what a kubelet does before it starts a container: $(NAME)
// becomes the value, $$ becomes $, and a name that is not there stays as it is written. Whoever runs a
// manifest without a kubelet calls it.
func Expand(s string, lookup func(name string) (string, bool)) string {
	var b strings.Builder
	expand(s, func(text string) { b.WriteString(text) }, func(name string) {
		if v, ok := lookup(name); ok {
			b.WriteString(v)
			return
		}
		b.WriteString("$(" + name + ")")
	})
	return b.String()
}

// maxSize is where sizes of expanded values stop to grow: values that repeat each other double with each line.
const maxSize = 1 << 40

// expandedSize is len(Expand(s)), at most maxSize, where lookup knows the sizes of the values. It builds no value.
func expandedSize(s string, lookup func(name string) (int, bool)) int {
	size := 0
	add := func(n int) { size = min(size+n, maxSize) }
	expand(s, func(text string) { add(len(text)) }, func(name string) {
		if n, ok := lookup(name); ok {
			add(n)
			return
		}
		add(len("$()") + len(name))
	})
	return size
}

// expand splits a value into text and the names that it refers to, in order.
func expand(s string, text, reference func(string)) {
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			text(s)
			return
		}
		text(s[:i])
		switch s[i+1] {
		case '$':
			text("$")
			s = s[i+2:]
		case '(':
			end := strings.IndexByte(s[i+2:], ')')
			if end < 0 {
				text("$")
				s = s[i+1:]
				continue
			}
			reference(s[i+2 : i+2+end])
			s = s[i+2+end+1:]
		default:
			text("$")
			s = s[i+1:]
		}
	}
}
