package ui

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schemaNode is a JSON Schema as far as a form follows it. Values stay JSON, so that numbers keep their digits.
type schemaNode struct {
	Type                 schemaTypes            `json:"type"`
	Title                string                 `json:"title"`
	Description          string                 `json:"description"`
	Format               string                 `json:"format"`
	Pattern              string                 `json:"pattern"`
	Default              json.RawMessage        `json:"default"`
	Const                json.RawMessage        `json:"const"`
	Enum                 []json.RawMessage      `json:"enum"`
	Examples             []json.RawMessage      `json:"examples"`
	Required             []string               `json:"required"`
	ReadOnly             bool                   `json:"readOnly"`
	Properties           map[string]*schemaNode `json:"properties"`
	AdditionalProperties *schemaNode            `json:"additionalProperties"`
	Items                *schemaNode            `json:"items"`
	OneOf                []*schemaNode          `json:"oneOf"`
	AnyOf                []*schemaNode          `json:"anyOf"`
	AllOf                []*schemaNode          `json:"allOf"`
	Ref                  string                 `json:"$ref"`
	Defs                 map[string]*schemaNode `json:"$defs"`
	Definitions          map[string]*schemaNode `json:"definitions"`
	Minimum              json.Number            `json:"minimum"`
	Maximum              json.Number            `json:"maximum"`
	MaxItems             *int                   `json:"maxItems"`

	root *schemaNode
	// never is true for the schema `false`, any for `true`.
	never, any bool
}

// schemaTypes is `type`: one name, or several.
type schemaTypes []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *schemaTypes) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = schemaTypes{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// UnmarshalJSON implements json.Unmarshaler. A schema may be true or false.
func (n *schemaNode) UnmarshalJSON(data []byte) error {
	var whole bool
	if json.Unmarshal(data, &whole) == nil {
		n.any, n.never = whole, !whole
		return nil
	}
	type plain schemaNode
	return json.Unmarshal(data, (*plain)(n))
}

// parseSchema reads the schema of the values of a run.
func parseSchema(document json.RawMessage) (*schemaNode, error) {
	n := &schemaNode{}
	if len(document) > 0 {
		if err := json.Unmarshal(document, n); err != nil {
			return nil, fmt.Errorf("decode schema: %w", err)
		}
	}
	n.root = n
	return n, nil
}

// names are those of the properties: what a run must set first, what is frozen last.
func (n *schemaNode) names() []string {
	weight := func(name string) int {
		switch {
		case n.Properties[name].ReadOnly:
			return 2
		case n.requires(name) && len(n.Properties[name].Default) == 0:
			return 0
		}
		return 1
	}
	return slices.SortedFunc(maps.Keys(n.Properties), func(a, b string) int {
		if by := weight(a) - weight(b); by != 0 {
			return by
		}
		return strings.Compare(a, b)
	})
}

func (n *schemaNode) requires(name string) bool { return slices.Contains(n.Required, name) }

// resolve follows a reference within the document. What stands beside the reference is kept.
func (n *schemaNode) resolve(of *schemaNode) *schemaNode {
	const deepest = 8
	at := of
	for range deepest {
		if at == nil || at.Ref == "" {
			break
		}
		target := n.definition(at.Ref)
		if target == nil {
			return of
		}
		merged := *target
		merged.Default, merged.ReadOnly = at.Default, at.ReadOnly || target.ReadOnly
		if len(merged.Default) == 0 {
			merged.Default = target.Default
		}
		if len(at.Const) > 0 {
			merged.Const = at.Const
		}
		if at.Title != "" {
			merged.Title = at.Title
		}
		if at.Description != "" {
			merged.Description = at.Description
		}
		at = &merged
	}
	return at
}

func (n *schemaNode) definition(ref string) *schemaNode {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
		return n.Defs[unescape.Replace(name)]
	}
	if name, ok := strings.CutPrefix(ref, "#/definitions/"); ok {
		return n.Definitions[unescape.Replace(name)]
	}
	return nil
}

// kind is the type in words.
func (n *schemaNode) kind() string {
	var words string
	switch {
	case len(n.Enum) > 0:
		words = "one of " + joinRaw(n.Enum)
	case len(n.Type) == 1 && n.Type[0] == "array" && n.Items != nil && len(n.Items.Type) == 1:
		words = "list of " + n.Items.Type[0]
	case len(n.Type) > 0:
		words = strings.Join(n.Type, " or ")
	case len(n.OneOf) > 0 || len(n.AnyOf) > 0:
		words = "one of several"
	default:
		words = "any"
	}
	if n.Format != "" {
		words += " (" + n.Format + ")"
	}
	return words
}

func joinRaw(values []json.RawMessage) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return strings.Join(all, ", ")
}

// firstName is the name of the value that a frozen name is of or leads into: `env.MODE`, `/labels/a~1b`.
func firstName(path string) string {
	if rest, ok := strings.CutPrefix(path, "/"); ok {
		first, _, _ := strings.Cut(rest, "/")
		return strings.NewReplacer("~1", "/", "~0", "~").Replace(first)
	}
	first, _, _ := strings.Cut(path, ".")
	return first
}
