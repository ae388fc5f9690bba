package locate

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// within finds a line and a column of a string in the file. Of a literal block it is counted; of everything
// else, which may be folded, quoted and escaped, what stands at the place is looked for from the beginning of
// the string on.
func (s *Source) within(n *yaml.Node, line, column int) (Place, bool) {
	if n.Style&yaml.LiteralStyle != 0 {
		return s.inBlock(n, line, column)
	}
	rest, before := at(n.Value, line, column)
	needle := token(rest)
	if needle == "" {
		return Place{}, false
	}
	nth := strings.Count(before, needle)
	for i := n.Line; i <= len(s.lines); i++ {
		text := s.lines[i-1]
		from := 0
		if i == n.Line {
			from = byteColumn(text, n.Column)
		}
		for {
			found := strings.Index(text[from:], needle)
			if found < 0 {
				break
			}
			if nth == 0 {
				return Place{
					Line:   i,
					Column: utf8.RuneCountInString(text[:from+found]) + 1,
					Length: utf8.RuneCountInString(needle),
				}, true
			}
			nth--
			from += found + len(needle)
		}
		if i > n.Line+strings.Count(n.Value, "\n")+len(n.Value)/20 {
			break // beyond where the string can end
		}
	}
	return Place{}, false
}

// inBlock counts in a literal block: its lines follow the indicator, each indented alike.
func (s *Source) inBlock(n *yaml.Node, line, column int) (Place, bool) {
	indent := -1
	for i := n.Line; i < len(s.lines); i++ {
		text := s.lines[i]
		if trimmed := strings.TrimLeft(text, " "); trimmed != "" {
			indent = len(text) - len(trimmed)
			break
		}
	}
	at := n.Line + line
	if indent < 0 || at > len(s.lines) {
		return Place{}, false
	}
	text := s.lines[at-1]
	column += indent
	if column > utf8.RuneCountInString(text) {
		return Place{Line: at, Column: indent + 1, Length: 1}, true
	}
	return Place{
		Line:   at,
		Column: column,
		Length: max(1, utf8.RuneCountInString(token(text[byteColumn(text, column):]))),
	}, true
}

// at cuts a text at a line and a column, in runes from 1.
func at(text string, line, column int) (rest, before string) {
	rest = text
	for range line - 1 {
		_, after, found := strings.Cut(rest, "\n")
		if !found {
			return "", text
		}
		rest = after
	}
	rest = rest[byteColumn(rest, column):]
	return rest, text[:len(text)-len(rest)]
}

// byteColumn is the offset of a column; the end of the text where it has fewer.
func byteColumn(text string, column int) int {
	for i := range text {
		if column--; column == 0 {
			return i
		}
	}
	return len(text)
}

// token is what the place is about: a whole placeholder or action, or one word.
func token(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if strings.HasPrefix(line, "{{") {
		if end := strings.Index(line, "}}"); end >= 0 {
			return line[:end+2]
		}
		return line
	}
	end := strings.IndexFunc(line, func(r rune) bool { return !isWord(r) })
	switch {
	case line == "":
		return ""
	case end < 0:
		return line
	case end == 0:
		_, size := utf8.DecodeRuneInString(line)
		return line[:size]
	}
	return line[:end]
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || r == '$' || r == '-' || r >= 0x80 || r >= '0' && r <= '9' ||
		r >= 'a' && r <= 'z' ||
		r >= 'A' && r <= 'Z'
}

// keyInBlock finds the last name of a pointer in a manifest that is one text: what is wrong was found in what
// it renders to, which has other lines. A name that stands there more than once is not found, rather than
// guessed.
func (s *Source) keyInBlock(n *yaml.Node, pointer string) (place Place, found bool) {
	steps := strings.Split(pointer, "/")
	name := ""
	for _, step := range slices.Backward(steps) {
		if _, err := strconv.Atoi(step); err != nil {
			name = unescaped(step)
			break
		}
	}
	for i := n.Line; i < min(len(s.lines), n.Line+strings.Count(n.Value, "\n")); i++ {
		text, from := s.lines[i], 0
		for {
			at := strings.Index(text[from:], name+":")
			if at < 0 || name == "" {
				break
			}
			at += from
			from = at + len(name)
			if before, _ := utf8.DecodeLastRuneInString(text[:at]); at > 0 && isWord(before) {
				continue
			}
			if found {
				return Place{}, false
			}
			place, found = Place{
				Line:   i + 1,
				Column: utf8.RuneCountInString(text[:at]) + 1,
				Length: utf8.RuneCountInString(name),
			}, true
		}
	}
	return place, found
}

// unescaped reads one step of a JSON pointer.
func unescaped(step string) string {
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}
