package action

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Leaf is a string value taken apart into placeholders, actions and text.
type Leaf struct {
	// Source is what the parser gets: placeholders rewritten into calls.
	Source string
	// Placeholders are the placeholders in order, by the bytes they cover in the original.
	Placeholders []Span
	// HasActions is false where there is nothing but placeholders and text.
	HasActions bool
	moves      []move
}

// Span is a placeholder: the bytes it covers, and its name.
type Span struct {
	Start, End int
	Name       string
}

// move says that from byte `to` of the rewritten source on, the original is at byte `from`.
type move struct{ from, to int }

// Original turns an offset in the rewritten source into one in the original.
func (l *Leaf) Original(offset int) int {
	next := sort.Search(len(l.moves), func(i int) bool { return l.moves[i].to > offset })
	if next == 0 {
		return offset
	}
	at := l.moves[next-1]
	return at.from + offset - at.to
}

// Scan takes a leaf apart. find reads the placeholder that begins at a byte, if one does: rule 1 of the
// language, which is the caller's.
func Scan(s string, find func(s string, start int) (Span, bool)) *Leaf {
	leaf := &Leaf{}
	declared := declaredVariables(s)
	var out strings.Builder
	from := 0
	for {
		i := strings.Index(s[from:], "{{")
		if i < 0 {
			out.WriteString(s[from:])
			leaf.Source = out.String()
			return leaf
		}
		start := from + i
		out.WriteString(s[from:start])
		if strings.HasPrefix(s[start:], "{{{") {
			// The first of three braces is text. The parser would take the first two for an action, so it
			// gets the brace spelt out.
			out.WriteString(`{{"{"}}`)
			from = start + 1
			leaf.moves = append(leaf.moves, move{from: from, to: out.Len()})
			continue
		}
		if span, ok := find(s, start); ok && !isAction(span.Name, declared) {
			lines := strings.Repeat(
				"\n", strings.Count(s[start:span.End], "\n"),
			) // keep the line numbers of the parser's errors
			out.WriteString(
				"{{" + placeholderCall + " " + strconv.Itoa(len(leaf.Placeholders)) + lines + "}}")
			leaf.Placeholders = append(leaf.Placeholders, span)
			from = span.End
			leaf.moves = append(leaf.moves, move{from: from, to: out.Len()})
			continue
		}
		leaf.HasActions = true
		from = actionEnd(s, start)
		out.WriteString(s[start:from])
	}
}

// isAction says whether a name that reads like a placeholder is an action all the same: what begins with a
// dot, the words of the language, the root, and variables that the leaf declares.
func isAction(name string, declared map[string]bool) bool {
	switch name {
	case "end", "else", "break", "continue", "nil", "true", "false", "$":
		return true
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "$.") {
		return true
	}
	if strings.HasPrefix(name, "$") {
		variable, _, _ := strings.Cut(name, ".")
		return declared[variable]
	}
	return false
}

var declaration = regexp.MustCompile(`(\$[\pL\p{Nd}_]+)\s*(?:,\s*(\$[\pL\p{Nd}_]+)\s*)?:=`)

// declaredVariables are the template variables that a leaf declares.
func declaredVariables(s string) map[string]bool {
	declared := map[string]bool{}
	if !strings.Contains(s, ":=") {
		return declared
	}
	for _, match := range declaration.FindAllStringSubmatch(s, -1) {
		declared[match[1]] = true
		declared[match[2]] = true
	}
	return declared
}

// actionEnd returns the byte after the action that begins at start: strings and comments may hold closing
// braces.
func actionEnd(s string, start int) int {
	i := start + 2
	if body := strings.TrimLeft(strings.TrimPrefix(s[i:], "- "), " \t\r\n"); strings.HasPrefix(body, "/*") {
		i = len(s) - len(body)
		end := strings.Index(s[i:], "*/")
		if end < 0 {
			return len(s) // the parser says that the comment is not closed
		}
		i += end + 2
	}
	for i < len(s) {
		switch s[i] {
		case '}':
			if strings.HasPrefix(s[i:], "}}") {
				return i + 2
			}
		case '"', '\'':
			i = quotedEnd(s, i)
			continue
		case '`':
			end := strings.IndexByte(s[i+1:], '`')
			if end < 0 {
				return len(s)
			}
			i += end + 1
		}
		i++
	}
	return len(s)
}

// quotedEnd returns the byte after the quoted text that begins at i, or after its line where it is not
// closed.
func quotedEnd(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote, '\n':
			return i + 1
		}
	}
	return len(s)
}
