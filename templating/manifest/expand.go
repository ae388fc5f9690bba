package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

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

// verbatim writes a value so that Expand leaves it as it is, but for references: $$ stays $$, $(NAME) is filled in, and
// $$(NAME) is still how $(NAME) itself is written.
func verbatim(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "$$")
		if i < 0 {
			break
		}
		b.WriteString(s[:i+2])
		if s = s[i+2:]; !strings.HasPrefix(s, "(") {
			b.WriteString("$$")
		}
	}
	b.WriteString(s)
	return b.String()
}

// keepDollars keeps $$ in what people gave: only $$ that the template itself has in an environment, a command or an
// argument is the escape of Kubernetes.
func (b *builder) keepDollars() {
	var own []string // texts of the template with $$, once asked for
	isRead := false
	keep := func(s string) string {
		if !strings.Contains(s, "$$") {
			return s
		}
		if !isRead {
			isRead, own = true, b.ownDollars()
		}
		for _, text := range own {
			// With a placeholder beside its own $$, who wrote which cannot be told.
			if text == s || strings.Contains(text, "{{") {
				return s
			}
		}
		return verbatim(s)
	}
	pod := &b.job.Spec.Template.Spec
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			c := &containers[i]
			for j := range c.Env {
				c.Env[j].Value = keep(c.Env[j].Value)
			}
			for j := range c.Command {
				c.Command[j] = keep(c.Command[j])
			}
			for j := range c.Args {
				c.Args[j] = keep(c.Args[j])
			}
		}
	}
}

// ownDollars are the texts of the template that have $$.
func (b *builder) ownDollars() []string {
	if b.rendered == nil || b.rendered.Template == nil {
		return nil
	}
	var texts []string
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.Contains(v, "$$") {
				texts = append(texts, v)
			}
		case []any:
			for _, item := range v {
				collect(item)
			}
		case map[string]any:
			for _, item := range v {
				collect(item)
			}
		}
	}
	collect(b.rendered.Template.JobConfiguration)
	return texts
}
