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
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i+2:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			name := s[i+2 : i+2+end]
			if v, ok := lookup(name); ok {
				b.WriteString(v)
			} else {
				b.WriteString("$(" + name + ")")
			}
			i += 2 + end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}
