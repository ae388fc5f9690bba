package templating

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/berth-dev/berth/templating/internal/value"
)

// DecodeJSON reads a value in the form that templates work on: map[string]any, []any, string, bool, nil,
// int64 and float64, where 2.0 stays a float. Duplicate keys, data after the document and integers beyond 64
// bits are refused.
func DecodeJSON(data []byte) (any, error) { return value.DecodeJSON(data) }

// DecodeYAML reads one YAML document in the form that templates work on, as strictly as DecodeJSON.
func DecodeYAML(data []byte) (any, error) { return value.DecodeYAML(data) }

// YAMLError reads an error of the YAML library: the line, from 1 and 0 where it is not known, and what is
// wrong there.
func YAMLError(data []byte, err error) (line int, message string) { return value.YAMLError(data, err) }

// UnquotedPlaceholder returns the placeholder that was meant by {{ name }} without quotes, where YAML has
// an object as a key; empty for any other key.
func UnquotedPlaceholder(key *yaml.Node) string { return value.UnquotedPlaceholder(key) }

// EncodeJSON writes a value as compact JSON with sorted keys: equal values have equal bytes.
func EncodeJSON(v any) ([]byte, error) { return value.AppendJSON(nil, v) }

// EncodeYAML writes a value as YAML with sorted keys.
func EncodeYAML(v any) ([]byte, error) { return value.EncodeYAML(v) }

// Normalize brings data that Go code made (ints, maps of strings, json.RawMessage) into the form that
// templates work on.
func Normalize(v any) (any, error) { return value.Normalize(v) }

// normalizeObject is Normalize for an object that a message can name.
func normalizeObject(what string, object map[string]any) (map[string]any, error) {
	if object == nil {
		return nil, nil
	}
	v, err := value.Normalize(object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	normal, _ := v.(map[string]any) // an object stays an object
	return normal, nil
}
