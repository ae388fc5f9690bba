package locate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/berth-dev/berth/templating"
)

// Source is the text of a template.
type Source struct {
	lines []string
	root  *yaml.Node // nil if the file is not valid YAML; then nothing is located in it
}

// New reads a source.
func New(data []byte) *Source {
	s := &Source{lines: strings.Split(string(data), "\n")}
	var document yaml.Node
	// What is wrong with the file has been said by who reads the template.
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&document); err == nil &&
		len(document.Content) == 1 {
		s.root = document.Content[0]
	}
	return s
}

// Line returns a line of the text by its number, from 1; false beyond the end.
func (s *Source) Line(number int) (string, bool) {
	if number < 1 || number > len(s.lines) {
		return "", false
	}
	return s.lines[number-1], true
}

// Place is where a problem is: line and column from 1, in runes, and how many columns are meant. A Line of 0
// is no place in the file.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Length int `json:"-"`
}

// Syntax is the place of a problem of the file itself, whose Line and Column count in it.
func (s *Source) Syntax(p templating.Problem) Place {
	if p.Line == 0 {
		return s.Locate(p)
	}
	return Place{Line: p.Line, Column: max(1, p.Column), Length: 1}
}

// Locate finds a problem in the file. What the pointer names may not be there, as something that is missing;
// then the nearest that is there is meant.
func (s *Source) Locate(p templating.Problem) Place {
	root, _, _ := strings.Cut(strings.TrimPrefix(p.Pointer, "/"), "/")
	if s.root == nil ||
		p.Pointer != "" && len(s.root.Content) > 0 && !slices.Contains(templating.TopLevelKeys(), root) &&
			p.Code != templating.CodeUnknownField {
		return Place{} // a problem of values, not of the template
	}
	key, node, whole := s.find(p.Pointer)
	switch {
	case whole && p.Line > 0 && node.Kind == yaml.ScalarNode:
		if place, ok := s.within(node, p.Line, p.Column); ok {
			return place
		}
		return s.start(node)
	case !whole && isThere(p.Code) && node.Kind == yaml.ScalarNode && node.Style&yaml.LiteralStyle != 0:
		if place, ok := s.keyInBlock(node, p.Pointer); ok {
			return place
		}
		return s.start(key)
	case key != nil && (!whole || isAboutKey(p.Code) || node.Kind != yaml.ScalarNode):
		return s.start(key)
	default:
		return s.start(node)
	}
}

// isThere is true for problems of something that is written down, as opposed to something that is missing.
func isThere(code string) bool {
	return code == templating.CodeUnknownField || code == templating.CodeType ||
		code == templating.CodeInvalid
}

// isAboutKey is true for problems whose subject is the name, not what it holds.
func isAboutKey(code string) bool {
	return code == templating.CodeUnknownField || code == templating.CodeUnused ||
		code == templating.CodeReserved ||
		code == templating.CodeUnknown ||
		code == templating.CodeFrozen
}

// start is the beginning of a node, as far as it goes on its line.
func (s *Source) start(n *yaml.Node) Place {
	length := 1
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 &&
		!strings.Contains(n.Value, "\n") {
		length = utf8.RuneCountInString(n.Value)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			length += 2
		}
	}
	return Place{Line: n.Line, Column: n.Column, Length: max(1, length)}
}

// find follows a JSON pointer as far as it goes. It returns the last node, the key that it stands under, and
// whether that is the whole way.
func (s *Source) find(pointer string) (key, node *yaml.Node, whole bool) {
	node = s.root
	if pointer == "" {
		return nil, node, true
	}
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		k, next := child(node, unescaped(step), 0)
		if next == nil {
			return key, node, false
		}
		if k != nil {
			key = k
		}
		node = next
	}
	return key, node, true
}

// maxAliases bounds how many aliases and merges are followed in one step: they may go in a circle.
const maxAliases = 20

// child is the node below another, with its key where it has one.
func child(n *yaml.Node, step string, depth int) (key, value *yaml.Node) {
	for ; n.Kind == yaml.AliasNode && depth < maxAliases; depth++ {
		n = n.Alias
	}
	switch {
	case depth >= maxAliases:
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			if strconv.Itoa(i) == step {
				return nil, item
			}
		}
	case n.Kind == yaml.MappingNode:
		var merged []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			switch k := n.Content[i]; {
			case k.Value == step:
				return k, n.Content[i+1]
			case k.Tag == "!!merge":
				merged = append(merged, n.Content[i+1])
			}
		}
		for _, m := range merged {
			if k, v := child(m, step, depth+1); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}
