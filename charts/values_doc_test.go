package charts

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a documented value of values.yaml. Its documentation is the comment above it that starts with "--
// ".
type value struct {
	path, fallback, text string
}

// documentedValues reads values.yaml. Every leaf must be documented, directly or by a mapping that contains
// it.
func documentedValues(valuesYAML []byte) ([]value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(valuesYAML, &document); err != nil {
		return nil, err
	}
	return collect(document.Content[0], "")
}

func collect(mapping *yaml.Node, prefix string) ([]value, error) {
	var out []value
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		if text, ok := documentation(key.HeadComment); ok {
			fallback, err := oneLine(node)
			if err != nil {
				return nil, err
			}
			out = append(out, value{path, fallback, text})
			continue
		}
		if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
			return nil, fmt.Errorf("values.yaml:%d: %s has no comment that starts with \"-- \"", key.Line,
				path)
		}
		below, err := collect(node, path+".")
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// documentation joins the lines of a comment after "-- ".
func documentation(comment string) (string, bool) {
	_, text, ok := strings.Cut(comment, "# -- ")
	return strings.ReplaceAll(text, "\n# ", " "), ok
}

func oneLine(node *yaml.Node) (string, error) {
	flow := *node
	flow.Style, flow.HeadComment = yaml.FlowStyle, ""
	if node.Kind == yaml.ScalarNode {
		flow.Style = node.Style
	}
	for _, child := range flow.Content {
		child.Style |= yaml.FlowStyle
	}
	data, err := yaml.Marshal(&flow)
	return strings.Join(strings.Fields(string(data)), " "), err
}

// valuesTable formats the table of values for the README.
func valuesTable(values []value) string {
	var out strings.Builder
	out.WriteString("| Value | Default | |\n|---|---|---|\n")
	for _, v := range values {
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", v.path, strings.ReplaceAll(v.fallback, "|", `\|`),
			strings.ReplaceAll(v.text, "|", `\|`))
	}
	return out.String()
}

// defaultsTemplate is _defaults.tpl: the defaults of all values. A value that is a map by itself, such as a security
// context, stands there under "=": it is added as a whole, and what its owner left out of it is not wanted.
func defaultsTemplate(valuesYAML []byte) (string, error) {
	values, err := documentedValues(valuesYAML)
	if err != nil {
		return "", err
	}
	root := map[string]any{}
	for _, v := range values {
		var fallback any
		if err := yaml.Unmarshal([]byte(v.fallback), &fallback); err != nil {
			return "", fmt.Errorf("%s: %w", v.path, err)
		}
		if _, isMap := fallback.(map[string]any); isMap {
			fallback = map[string]any{"=": fallback}
		}
		at, names := root, strings.Split(v.path, ".")
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[names[len(names)-1]] = fallback
	}
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return "", err
	}
	return "{{/* Written from values.yaml by `go test ./charts -update`. */}}\n" +
		`{{- define "berth.defaults" -}}` + "\n" + text.String() + "{{- end }}\n", encoder.Close()
}
