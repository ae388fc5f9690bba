// Package yamldoc reads the YAML that people write and keeps the lines, so that what is
// wrong with a value can be said with the place where it was written.
//
// YAML is read as the JSON it stands for: dates stay the text they were written as, `yes` and `on` are
// strings, numbers keep all their digits, a key that comes twice is an error. Anchors and merge keys work,
// within a bound.
package yamldoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	jsonyaml "sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating"
)

// Limits bound a document after its aliases are followed: a file of a few hundred bytes can stand for terabytes.
type Limits struct {
	Nodes int // values and the containers around them
	Bytes int // of names and scalars
}

var fileLimits = Limits{Nodes: 1_000_000, Bytes: 64 << 20}

// Place is where something was written. Lines and columns count from 1; a Line of 0 means the whole, a Column
// of 0 all of the line.
type Place struct{ Line, Column int }

// Error is what is wrong with a document, and where.
type Error struct {
	Place
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Kind of a value.
type Kind string

// The kinds there are, in the words of JSON.
const (
	Object Kind = "object"
	Array  Kind = "list"
	String Kind = "string"
	Number Kind = "number"
	Bool   Kind = "boolean"
	Null   Kind = "null"
)

// Value of a document. Its place is where it begins.
type Value struct {
	Kind Kind
	Place
	Items []*Value // of an Array
	Names []Member // of an Object, in the order they were written
	text  string   // of everything else: a String's content, otherwise JSON
	// written is a scalar as the document has it, without quotes; plain is true where it has none.
	written string
	plain   bool
}

// Member of an Object. Its place is that of the name.
type Member struct {
	Name string
	Place
	Value *Value
	plain bool // the name has no quotes
}

// IsPlain is true for a name that is not quoted, which versions of YAML may read as something else than text.
func (m Member) IsPlain() bool { return m.plain }

// Get is the member with the name, nil where there is none.
func (v *Value) Get(name string) *Value {
	for _, m := range v.Names {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Text is the content of a String.
func (v *Value) Text() string { return v.text }

// Literal is how a Number, a Bool or Null is written in JSON.
func (v *Value) Literal() string { return v.text }

// Written is a scalar as the document has it, without its quotes.
func (v *Value) Written() string { return v.written }

// IsPlain is true for a scalar that is not quoted, whose meaning depends on the version of YAML.
func (v *Value) IsPlain() bool { return v.plain }

// IsExact is false for a number that does not read as it was written once it is used: 1.10 is the number 1.1.
func (v *Value) IsExact() bool {
	if v.Kind != Number {
		return true
	}
	n, err := templating.DecodeJSON([]byte(v.text))
	if err != nil {
		return false
	}
	text, err := templating.EncodeJSON(n)
	return err == nil && string(text) == v.written
}

// Inexact returns the first number in a value that does not read as it was written; nil where there is none.
func (v *Value) Inexact() *Value {
	if !v.IsExact() {
		return v
	}
	for _, item := range v.Items {
		if found := item.Inexact(); found != nil {
			return found
		}
	}
	for _, m := range v.Names {
		if found := m.Value.Inexact(); found != nil {
			return found
		}
	}
	return nil
}

// AsWritten says what to write instead of a number that is not exact.
func (v *Value) AsWritten() string {
	number := v.text
	if n, err := templating.DecodeJSON([]byte(v.text)); err == nil {
		if text, err := templating.EncodeJSON(n); err == nil {
			number = string(text)
		}
	}
	if number == v.written {
		return fmt.Sprintf("%s has more digits than numbers keep: quote it to keep the text: %q", v.written, v.written)
	}
	return fmt.Sprintf("%s is the number %s: write that, or quote it to keep the text: %q", v.written, number, v.written)
}

// Parse reads one document of a file. An empty one is null.
func Parse(data []byte) (*Value, error) { return ParseWithin(data, fileLimits) }

// ParseWithin is Parse with the given limits.
func ParseWithin(data []byte, limits Limits) (*Value, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return &Value{Kind: Null, Place: Place{1, 1}, text: "null"}, nil
	} else if err != nil {
		return nil, syntaxError(data, err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxError(data, err)
		}
		return nil, &Error{
			Place:   placeOf(&second),
			Message: "a second document begins here, only one is read",
		}
	}
	r := reader{budget: limits}
	return r.value(&document)
}

func syntaxError(data []byte, err error) error {
	line, message := templating.YAMLError(data, err)
	return &Error{Place: Place{Line: line}, Message: message}
}

func placeOf(n *yaml.Node) Place { return Place{n.Line, n.Column} }

type reader struct {
	budget Limits
	within []*yaml.Node // aliases that are being followed, to see one that holds itself
	env    int          // how many environments the value is in
}

func (r *reader) value(n *yaml.Node) (*Value, error) {
	r.budget.Nodes--
	if r.budget.Bytes -= len(n.Value); r.budget.Nodes < 0 || r.budget.Bytes < 0 {
		return nil, &Error{Place: placeOf(n), Message: "too large once its aliases are followed"}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.value(n.Content[0])
	case yaml.AliasNode:
		return r.alias(n)
	case yaml.MappingNode:
		return r.object(n)
	case yaml.SequenceNode:
		v := &Value{Kind: Array, Place: placeOf(n), Items: []*Value{}}
		for _, child := range n.Content {
			item, err := r.value(child)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, item)
		}
		return v, nil
	}
	return r.scalar(n)
}

func (r *reader) alias(n *yaml.Node) (*Value, error) {
	for _, outer := range r.within {
		if outer == n.Alias {
			return nil, &Error{Place: placeOf(n), Message: fmt.Sprintf("*%s holds itself", n.Value)}
		}
	}
	r.within = append(r.within, n.Alias)
	v, err := r.value(n.Alias)
	r.within = r.within[:len(r.within)-1]
	return v, err
}

func (r *reader) object(n *yaml.Node) (*Value, error) {
	v := &Value{Kind: Object, Place: placeOf(n), Names: []Member{}}
	var merged []*Value
	names := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if text := templating.UnquotedPlaceholder(key); text != "" {
			return nil, &Error{
				Place: placeOf(n), Message: fmt.Sprintf("a value that begins with {{ must be quoted: %q", text),
			}
		}
		value, err := r.member(key.Value, n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &Error{Place: placeOf(key), Message: "a name must be a string"}
		}
		if r.budget.Bytes -= len(key.Value); names[key.Value] {
			return nil, &Error{Place: placeOf(key), Message: fmt.Sprintf("duplicate key %q", key.Value)}
		}
		names[key.Value] = true
		v.Names = append(v.Names,
			Member{Name: key.Value, Place: placeOf(key), Value: value, plain: !isQuoted(key)})
	}
	for _, m := range merged {
		if err := v.merge(m, names); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// member reads the value of a name.
func (r *reader) member(name string, n *yaml.Node) (*Value, error) {
	if name == "env" || strings.HasPrefix(name, "env.") {
		r.env++
		defer func() { r.env-- }()
	}
	return r.value(n)
}

// merge takes over what `<<` brings and is not among the names yet.
func (v *Value) merge(from *Value, names map[string]bool) error {
	switch from.Kind {
	case Object:
		for _, m := range from.Names {
			if !names[m.Name] {
				names[m.Name] = true
				v.Names = append(v.Names, m)
			}
		}
		return nil
	case Array:
		for _, item := range from.Items {
			if item.Kind != Object {
				return &Error{Place: item.Place, Message: "<< takes objects"}
			}
			if err := v.merge(item, names); err != nil {
				return err
			}
		}
		return nil
	}
	return &Error{Place: from.Place, Message: "<< takes an object"}
}

func isQuoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

func (r *reader) scalar(n *yaml.Node) (*Value, error) {
	v := &Value{Place: placeOf(n), written: n.Value, plain: !isQuoted(n)}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		v.Kind, v.text = String, n.Value
	case "!!null":
		v.Kind, v.text = Null, "null"
	case "!!bool":
		v.Kind, v.text = Bool, strings.ToLower(n.Value)
		if r.env > 0 && v.text != n.Value {
			v.Kind, v.text = String, n.Value
		}
	case "!!int", "!!float":
		text, err := number(n)
		if err != nil && r.env == 0 {
			return nil, err
		}
		v.Kind, v.text = Number, text
		// The values of an environment are text: 3.10 stays 3.10.
		if r.env > 0 && (err != nil || !v.IsExact()) {
			v.Kind, v.text = String, n.Value
		}
	case "!!merge":
		return nil, &Error{Place: placeOf(n), Message: `<< is a key of YAML; to write the text, quote it: "<<"`}
	default:
		return nil, &Error{Place: placeOf(n), Message: fmt.Sprintf("the YAML tag %s is not supported", n.Tag)}
	}
	return v, nil
}

// number keeps what is a JSON number as it was written, and reads YAML's other notations (0x1f, 1_000, .5).
func number(n *yaml.Node) (string, error) {
	if json.Valid([]byte(n.Value)) {
		return n.Value, nil
	}
	var decoded any
	if err := n.Decode(&decoded); err != nil {
		return "", &Error{Place: placeOf(n), Message: fmt.Sprintf("%q is not a number", n.Value)}
	}
	text, err := json.Marshal(decoded)
	if err != nil {
		return "", &Error{Place: placeOf(n), Message: fmt.Sprintf("%s is no number of JSON; to keep the text, quote it: %q", n.Value, n.Value)}
	}
	return string(text), nil
}

// MarshalJSON writes the JSON that the value stands for.
func (v *Value) MarshalJSON() ([]byte, error) {
	switch v.Kind {
	case Array:
		return json.Marshal(v.Items)
	case String:
		return json.Marshal(v.text)
	case Object:
		var b bytes.Buffer
		b.WriteByte('{')
		for i, m := range v.Names {
			if i > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(m.Name)
			if err != nil {
				return nil, err
			}
			value, err := m.Value.MarshalJSON()
			if err != nil {
				return nil, err
			}
			b.Write(name)
			b.WriteByte(':')
			b.Write(value)
		}
		b.WriteByte('}')
		return b.Bytes(), nil
	}
	return []byte(v.text), nil
}

// ToJSON reads YAML or JSON as JSON.
func ToJSON(data []byte) (json.RawMessage, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	return v.MarshalJSON()
}

// FromJSON writes JSON as YAML that reads back as the same: 2.0 stays 2.0, and the text "yes" a text.
func FromJSON(document []byte) ([]byte, error) {
	value, err := templating.DecodeJSON(document)
	if err != nil { // a number beyond 64 bits
		return jsonyaml.JSONToYAML(document)
	}
	return templating.EncodeYAML(value)
}

// What follows makes values that stand where others were written.

// Word is a string.
func Word(at Place, text string) *Value { return &Value{Kind: String, Place: at, text: text} }

// Whole is a whole number.
func Whole(at Place, n int64) *Value {
	text := strconv.FormatInt(n, 10)
	return &Value{Kind: Number, Place: at, text: text, written: text}
}

// Truth is a boolean.
func Truth(at Place, b bool) *Value {
	return &Value{Kind: Bool, Place: at, text: strconv.FormatBool(b)}
}

// ToYAML writes a value as a YAML document, its members in their order.
func (v *Value) ToYAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v.node()); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

func (v *Value) node() *yaml.Node {
	switch v.Kind {
	case Object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range v.Names {
			n.Content = append(n.Content, textNode(m.Name), m.Value.node())
		}
		return n
	case Array:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v.Items {
			n.Content = append(n.Content, item.node())
		}
		return n
	case String:
		return textNode(v.text)
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.text}
}

// textNode writes lines as lines, and quotes what the library would write in a way that is not read as the same text.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case strings.HasPrefix(text, " "), strings.HasPrefix(text, "\t"), strings.Contains(text, "\r"), text == "<<", strings.Contains(text, "{{"):
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(text, "\n"):
		n.Style = yaml.LiteralStyle
	}
	return n
}

// List is a list.
func List(at Place, items []*Value) *Value { return &Value{Kind: Array, Place: at, Items: items} }

// NewObject is an object without members.
func NewObject(at Place) *Value { return &Value{Kind: Object, Place: at, Names: []Member{}} }

// Add adds a member; nil adds nothing.
func (v *Value) Add(name string, at Place, value *Value) {
	if value != nil {
		v.Names = append(v.Names, Member{Name: name, Place: at, Value: value})
	}
}
