package locate

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Default is where the default of a variable stands, or would stand, in a template.
type Default struct {
	Variable string
	// Place is that of the value, with its quotes; of no length where the variable has no default. Its Line is 0 where the
	// value takes several lines, or is said elsewhere.
	Place Place
	// Before and After go around the value of a new default.
	Before, After string
}

// Defaults finds the defaults of the declared variables, in their order: an editor can change each without another byte.
func (s *Source) Defaults() []Default {
	if s.root == nil {
		return nil
	}
	_, properties, whole := s.find("/variables/properties")
	if !whole || properties.Kind != yaml.MappingNode {
		return nil
	}
	var found []Default
	for i := 0; i+1 < len(properties.Content); i += 2 {
		if name := properties.Content[i]; name.Tag != "!!merge" {
			found = append(found, s.defaultOf(name.Value, properties.Content[i+1]))
		}
	}
	return found
}

func (s *Source) defaultOf(name string, variable *yaml.Node) Default {
	d := Default{Variable: name}
	if variable.Kind != yaml.MappingNode { // an alias changes others too; a text or a truth value has no members
		return d
	}
	for i := 0; i+1 < len(variable.Content); i += 2 {
		if variable.Content[i].Value == "default" {
			d.Place = s.span(variable.Content[i+1])
			return d
		}
	}
	place := Place{Line: variable.Line, Column: variable.Column}
	text, there := s.Line(place.Line)
	switch flow := variable.Style&yaml.FlowStyle != 0; {
	case !there:
	case flow && strings.HasPrefix(text[byteColumn(text, place.Column):], "{"):
		place.Column++
		d.Place, d.Before = place, "default: "
		if len(variable.Content) > 0 {
			if variable.Content[0].Style&yaml.DoubleQuotedStyle != 0 { // JSON
				d.Before = `"default": `
			}
			d.After = ", "
		}
	case !flow && len(variable.Content) > 0 && strings.TrimLeft(text[:byteColumn(text, place.Column)], " ") == "":
		d.Place, d.Before, d.After = place, "default: ", "\n"+strings.Repeat(" ", place.Column-1)
	}
	return d
}

// span is the place of a value that stands on one line, with its quotes or brackets; without a line else.
func (s *Source) span(n *yaml.Node) Place {
	place := Place{Line: n.Line, Column: n.Column}
	text, _ := s.Line(n.Line)
	rest := text[byteColumn(text, n.Column):]
	length := -1
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode || n.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0:
	case n.Kind != yaml.ScalarNode:
		if n.Style&yaml.FlowStyle != 0 {
			length = closed(rest)
		}
	case rest == "":
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		length = quoted(rest)
	case n.Value != "" && strings.HasPrefix(rest, n.Value):
		length = len(n.Value)
	}
	if length <= 0 {
		return Place{}
	}
	place.Length = utf8.RuneCountInString(rest[:length])
	return place
}

// quoted is how many bytes a quoted string takes at the beginning of a line; -1 where it does not end on it.
func quoted(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return -1
}

// closed is how many bytes a list or an object in brackets takes; -1 where it does not end on the line.
func closed(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if before := strings.TrimRight(text[:i], " "); before == "" || strings.ContainsRune("[{,:", rune(before[len(before)-1])) {
				n := quoted(text[i:])
				if n < 0 {
					return -1
				}
				i += n - 1
			}
		case '#':
			if i > 0 && text[i-1] == ' ' {
				return -1
			}
		}
	}
	return -1
}
