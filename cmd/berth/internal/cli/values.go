package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// Assignments reads `name=value` arguments, as of --param. A value is JSON where it parses as JSON (a number,
// a boolean, an object, a string in quotes) and otherwise the string it is; where the schema wants a string
// it is always the string, so that `date=2026` and `version=1.10` arrive as they were written. Without a schema, a
// number that would print differently is a string as well, and so is every value of an environment variable.
func Assignments(flag string, args []string, schema json.RawMessage) (map[string]json.RawMessage, error) {
	var root any
	if len(schema) > 0 {
		if err := json.Unmarshal(schema, &root); err != nil {
			return nil, errors.New("the server sent a schema that is not JSON")
		}
	}
	values := make(map[string]json.RawMessage, len(args))
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, Usagef("--%s %q: must be name=value", flag, arg)
		}
		if _, twice := values[name]; twice {
			return nil, Usagef("--%s %s is a duplicate", flag, name)
		}
		values[name] = assignedValue(value, schemaOf(root, name), strings.HasPrefix(name, "env."))
	}
	return values, nil
}

// NeedsSchema reports whether a schema can make a difference to how the arguments are read.
func NeedsSchema(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		_, value, _ := strings.Cut(arg, "=")
		return json.Valid([]byte(value))
	})
}

// isExact is false for a number that would not read as it was written: 1.10 is the number 1.1.
func isExact(parsed json.RawMessage) bool {
	if kind := jsonKind(parsed); kind != "number" && kind != "integer" {
		return true
	}
	v, err := templating.DecodeJSON(parsed)
	if err != nil {
		return false
	}
	text, err := templating.EncodeJSON(v)
	return err == nil && string(text) == string(parsed)
}

// assignedValue is the value of one assignment. Environment variables are text.
func assignedValue(value string, schema map[string]any, isEnvironment bool) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil || !json.Valid([]byte(value)) {
		return text
	}
	parsed := json.RawMessage(strings.TrimSpace(value))
	if kind := jsonKind(parsed); isEnvironment && kind != "object" && kind != "null" && kind != "string" {
		return text
	}
	types := schemaTypes(schema)
	wantsText := slices.Contains(types, "string")
	if len(types) == 0 {
		wantsText = enumHas(schema, value) || !isExact(parsed)
	}
	if !wantsText {
		return parsed
	}
	// "null" for a nullable string is null, 3 for a string or integer is 3; a string in quotes is taken as it
	// stands.
	if kind := jsonKind(parsed); kind != "string" && slices.Contains(types, kind) {
		return parsed
	} else if kind == "integer" && slices.Contains(types, "number") {
		return parsed
	}
	return text
}

// schemaOf finds the schema of a name; a dotted name walks into objects.
func schemaOf(root any, name string) map[string]any {
	schema, _ := root.(map[string]any)
	if direct, ok := property(schema, name); ok {
		return direct
	}
	for _, part := range strings.Split(name, ".") {
		next, ok := property(schema, part)
		if !ok {
			next, _ = schema["additionalProperties"].(map[string]any)
		}
		schema = next
	}
	return schema
}

func property(schema map[string]any, name string) (map[string]any, bool) {
	properties, _ := schema["properties"].(map[string]any)
	found, ok := properties[name].(map[string]any)
	return found, ok
}

func schemaTypes(schema map[string]any) []string {
	switch t := schema["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var types []string
		for _, item := range t {
			if s, ok := item.(string); ok {
				types = append(types, s)
			}
		}
		return types
	}
	return nil
}

func enumHas(schema map[string]any, value string) bool {
	enum, _ := schema["enum"].([]any)
	return slices.Contains(enum, any(value))
}

func jsonKind(value json.RawMessage) string {
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	if strings.ContainsAny(string(value), ".eE") {
		return "number"
	}
	return "integer"
}

// ReadFile reads a file, or standard input for "-". A file that cannot be read is a UsageError.
func (a *App) ReadFile(path string) ([]byte, error) {
	if path == "-" {
		data, err := io.ReadAll(a.In)
		if err != nil {
			return nil, Usagef("read standard input: %v", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, Usagef("%v", err)
	}
	return data, nil
}

// ReadDocument reads a YAML or JSON file as JSON.
func (a *App) ReadDocument(path string) (json.RawMessage, error) {
	data, err := a.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseDocument(path, data)
}

// ParseDocument is the JSON that the text of a YAML or JSON file stands for.
func ParseDocument(path string, data []byte) (json.RawMessage, error) {
	document, err := yamldoc.ToJSON(data)
	if err != nil {
		return nil, Usagef("%s: %v", path, err)
	}
	return document, nil
}

// readValues reads a YAML or JSON file of values as JSON. A number that YAML would change is refused, with its
// line.
func (a *App) readValues(path string) (json.RawMessage, error) {
	data, err := a.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if json.Valid(data) {
		return data, nil
	}
	v, err := yamldoc.Parse(data)
	if err != nil {
		return nil, Usagef("%s: %v", path, err)
	}
	if changed := v.Inexact(); changed != nil {
		return nil, Usagef("%s:%d:%d: %s", path, changed.Line, changed.Column, changed.AsWritten())
	}
	return v.MarshalJSON()
}

// ReadObject reads a YAML or JSON file that must hold an object of values.
func (a *App) ReadObject(path string) (map[string]json.RawMessage, error) {
	document, err := a.readValues(path)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(document, &object); err != nil || object == nil {
		return nil, Usagef("%s: must be an object", path)
	}
	return object, nil
}
