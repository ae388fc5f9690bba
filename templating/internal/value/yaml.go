package value

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxAliased bounds the nodes that YAML aliases may add to a document: enough to share a resources block, far
// too little for a bomb.
const maxAliased = 1000

// DecodeYAML reads one YAML document strictly: duplicate keys, keys that are not strings, a second document,
// custom tags and more than a small number of aliased nodes are refused with a *SyntaxError. Dates stay the
// strings they were written as.
func DecodeYAML(data []byte) (any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, yamlError(data, err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, yamlError(data, err)
		}
		return nil, &SyntaxError{
			Line:    second.Line,
			Column:  second.Column,
			Message: "found a second YAML document; only one is allowed",
		}
	}
	d := yamlDecoder{aliased: maxAliased}
	return d.value(&document, "", 0)
}

func yamlError(data []byte, err error) error {
	line, message := YAMLError(data, err)
	return &SyntaxError{Line: line, Column: min(line, 1), Message: "not valid YAML: " + message}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?s:(.*))$`)

// yamlGrammar are the errors of the library's parser, as opposed to its scanner. It counts their lines from
// 0, and leaves out line 0.
var yamlGrammar = regexp.MustCompile(
	`^(did not find expected |found undefined tag handle|found duplicate %|found incompatible YAML)`)

// YAMLError reads an error of the YAML library: the line, from 1 and 0 where it is not known, and what is
// wrong there.
func YAMLError(data []byte, err error) (line int, message string) {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(match[1]) // an absent line is line 0
	switch {
	case match[2] == "control characters are not allowed":
		return controlCharacter(data)
	case strings.Contains(match[2], "UTF-8"):
		return invalidUTF8(data)
	}
	if at, hint := missingAnchor(data, match[2]); at > 0 {
		return at, hint
	}
	if match[1] == "" && line == 0 && !yamlGrammar.MatchString(match[2]) {
		line = 1 // the library leaves out the first line
	}
	if yamlGrammar.MatchString(match[2]) {
		line = min(
			line+1, 1+bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n")),
		) // the end is in the last line, not after it
	}
	return explainYAML(data, line, match[2])
}

// invalidUTF8 finds what is no text.
func invalidUTF8(data []byte) (line int, message string) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(data[:i], []byte("\n")), fmt.Sprintf("the byte 0x%02X is not text in UTF-8", data[i])
		}
		i += size
	}
	return 0, "must be text in UTF-8"
}

// controlCharacter finds the character that YAML does not have, and says how to write it.
func controlCharacter(data []byte) (line int, message string) {
	line = 1
	for _, r := range string(data) {
		switch {
		case r == '\n':
			line++
		case r == '\t', r == '\r', r == 0x85:
		case unicode.IsControl(r):
			return line, fmt.Sprintf("the control character U+%04X is not allowed; write it as \"\\x%02X\" in double quotes", r, r)
		}
	}
	return 0, "control characters are not allowed"
}

// UnquotedPlaceholder returns the placeholder that was meant by {{ name }} without quotes, which YAML reads
// as an object whose only key is an object; empty for any other key.
func UnquotedPlaceholder(key *yaml.Node) string {
	if key.Kind != yaml.MappingNode || key.Style&yaml.FlowStyle == 0 || len(key.Content) != 2 ||
		key.Content[0].Kind != yaml.ScalarNode || key.Content[1].ShortTag() != "!!null" {
		return ""
	}
	return "{{ " + key.Content[0].Value + " }}"
}

// unquotedText matches a value that begins with a placeholder and goes on after it.
var unquotedText = regexp.MustCompile(`(?:^|[:\-] )\s*(\{\{[^"'#]*\}\}[^#]*?)\s*(?:#.*)?$`)

// explainYAML finds the line that an error is about, and says what to write there instead.
func explainYAML(data []byte, line int, message string) (at int, text string) {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return line, message
	}
	near := lines[max(line-2, 0):line]
	const tab = "found character that cannot start any token"
	if message == tab && bytes.HasPrefix(bytes.TrimLeft(lines[line-1], " "), []byte("\t")) {
		return line, "a tab cannot be used for indentation"
	}
	// The library notices a line late that the value does not end where its braces do.
	for _, written := range near {
		if match := unquotedText.FindSubmatch(written); match != nil {
			return line, fmt.Sprintf("%s; a value that begins with {{ must be quoted: %q", message, match[1])
		}
	}
	if after, hint := laterHint(message, lines[line-1:]); hint != "" {
		return line + after, hint
	}
	if hint := hintOf(message, lines[line-1], near[0]); hint != "" {
		return line, hint
	}
	return line, message
}

type yamlDecoder struct {
	aliased int // nodes that aliases may still add
	inside  int // aliases that are open
}

func failAt(node *yaml.Node, pointer, format string, args ...any) error {
	return &SyntaxError{
		Line:    node.Line,
		Column:  node.Column,
		Pointer: pointer,
		Message: fmt.Sprintf(format, args...),
	}
}

func (d *yamlDecoder) value(node *yaml.Node, pointer string, depth int) (any, error) {
	if d.inside > 0 {
		if d.aliased--; d.aliased < 0 {
			return nil, failAt(node, pointer, "YAML aliases expand to more than %d nodes", maxAliased)
		}
	}
	if depth > MaxDepth {
		return nil, failAt(node, pointer, "nested deeper than %d levels", MaxDepth)
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return d.value(node.Content[0], pointer, depth)
	case yaml.AliasNode:
		d.inside++
		defer func() { d.inside-- }()
		return d.value(node.Alias, pointer, depth+1)
	case yaml.SequenceNode:
		return d.list(node, pointer, depth)
	case yaml.MappingNode:
		return d.object(node, pointer, depth)
	case yaml.ScalarNode:
		v, err := scalar(node, pointer)
		if tag := node.ShortTag(); tag == "!!int" || tag == "!!float" || tag == "!!bool" {
			return AsWritten(pointer, node.Value, v, err)
		}
		return v, err
	default:
		return nil, nil
	}
}

func (d *yamlDecoder) list(node *yaml.Node, pointer string, depth int) (any, error) {
	if tag := node.ShortTag(); tag != "!!seq" {
		return nil, failAt(node, pointer, "YAML tag %s is not allowed", tag)
	}
	list := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		v, err := d.value(item, Pointer(pointer, strconv.Itoa(i)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (d *yamlDecoder) object(node *yaml.Node, pointer string, depth int) (any, error) {
	if tag := node.ShortTag(); tag != "!!map" {
		return nil, failAt(node, pointer, "YAML tag %s is not allowed", tag)
	}
	object := make(map[string]any, len(node.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, item := node.Content[i], node.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merges = append(merges, item)
			continue
		}
		if text := UnquotedPlaceholder(key); text != "" {
			return nil, failAt(node, pointer, "a value that begins with {{ must be quoted: %q", text)
		}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" {
			return nil, failAt(key, pointer, "a key must be a string")
		}
		if _, twice := object[key.Value]; twice {
			return nil, failAt(key, pointer, "duplicate key %q", key.Value)
		}
		v, err := d.value(item, Pointer(pointer, key.Value), depth+1)
		if err != nil {
			return nil, err
		}
		object[key.Value] = v
	}
	for _, merge := range merges {
		if err := d.merge(object, merge, pointer, depth); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// merge does what `<<: *alias` means: keys that are not there yet are taken over.
func (d *yamlDecoder) merge(object map[string]any, node *yaml.Node, pointer string, depth int) error {
	v, err := d.value(node, pointer, depth+1)
	if err != nil {
		return err
	}
	sources, ok := v.([]any)
	if !ok {
		sources = []any{v}
	}
	for _, source := range sources {
		from, ok := source.(map[string]any)
		if !ok {
			return failAt(node, pointer, "<< must refer to an object, not %s", Article(Kind(source)))
		}
		for key, item := range from {
			if _, there := object[key]; !there {
				object[key] = item
			}
		}
	}
	return nil
}

func scalar(node *yaml.Node, pointer string) (any, error) {
	switch tag := node.ShortTag(); tag {
	case "!!null":
		return nil, nil
	case "!!str", "!!timestamp":
		return node.Value, nil
	case "!!bool":
		var b bool
		if err := node.Decode(&b); err != nil {
			return nil, failAt(node, pointer, "%q is not a boolean", node.Value)
		}
		return b, nil
	case "!!int":
		var i int64
		if err := node.Decode(&i); err != nil {
			return nil, failAt(node, pointer, "integer %.40s does not fit into 64 bits; quote it if it is text", node.Value)
		}
		return i, nil
	case "!!float":
		if wholeNumber.MatchString(node.Value) { // the library takes what does not fit for a float
			return nil, failAt(node, pointer, "integer %.40s does not fit into 64 bits; quote it if it is text", node.Value)
		}
		var f float64
		if err := node.Decode(&f); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, failAt(node, pointer, "number %.40s is out of range", node.Value)
		}
		return f, nil
	default:
		return nil, failAt(node, pointer, "YAML tag %s is not allowed", tag)
	}
}

// wholeNumber matches an integer, however long.
var wholeNumber = regexp.MustCompile(`^[-+]?[0-9]+$`)

// EncodeYAML writes a value as block style YAML with sorted keys; DecodeYAML reads the same value back.
func EncodeYAML(v any) ([]byte, error) {
	node, err := yamlNode(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	return out.Bytes(), nil
}

// olderYAML matches texts that YAML 1.1, which Kubernetes reads, takes for booleans, merges or numbers in
// base 60.
var olderYAML = regexp.MustCompile(`^(?i:<<|y|n|yes|no|on|off|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

func yamlNode(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range SortedKeys(v) {
			item, err := yamlNode(v[key])
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, textNode(key), item)
		}
		return node, nil
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			child, err := yamlNode(item)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		return node, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: string(AppendFloat(nil, v))}, nil
	case int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v, 10)}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}, nil
	case string:
		return textNode(v), nil
	default:
		return nil, errUnsupported
	}
}

// indentedText matches texts of several lines that the library would write as a block which it cannot read:
// white space comes first.
var indentedText = regexp.MustCompile(`(?s)^[ \t\n]*[ \t].*\n|^\n`)

// textNode quotes what another reader would not take for that text.
func textNode(s string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(s, "\ufffd")}
	if olderYAML.MatchString(s) || indentedText.MatchString(s) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
