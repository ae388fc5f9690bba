package ui

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

func jsonKind(value json.RawMessage) string {
	trimmed := bytes.TrimSpace(value)
	if len(trimmed) == 0 {
		return ""
	}
	switch trimmed[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(trimmed, ".eE") {
		return "number"
	}
	return "integer"
}

// jsonText is the text of a JSON string.
func jsonText(value json.RawMessage) (string, bool) {
	var text string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", false
	}
	return text, true
}

func quoted(text string) json.RawMessage {
	var out bytes.Buffer
	_ = writeScalar(&out, text) // a buffer takes all
	return out.Bytes()
}

// sameJSON compares two documents. Numbers are the same if they have the same digits.
func sameJSON(a, b json.RawMessage) bool {
	decode := func(document json.RawMessage) (value any, ok bool) {
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.UseNumber()
		ok = decoder.Decode(&value) == nil
		return value, ok
	}
	x, ok := decode(a)
	y, also := decode(b)
	return ok && also && reflect.DeepEqual(x, y)
}

func sortedNames[T any](members map[string]T) []string {
	return slices.Sorted(maps.Keys(members))
}

func membersOf(document json.RawMessage) map[string]json.RawMessage {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(document, &members) // what is no object has no members
	return members
}

func joinMembers(members []jsonMember) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(quoted(m.name))
		out.WriteByte(':')
		out.Write(m.value)
	}
	out.WriteByte('}')
	return out.Bytes()
}

func joinItems(items []json.RawMessage) json.RawMessage {
	return append(append(json.RawMessage{'['}, bytes.Join(rawBytes(items), []byte(","))...), ']')
}

func rawBytes(items []json.RawMessage) [][]byte {
	all := make([][]byte, len(items))
	for i, one := range items {
		all[i] = one
	}
	return all
}

func entryAt(values []json.RawMessage, i int) json.RawMessage {
	if i < len(values) {
		return values[i]
	}
	return nil
}

func pointerStep(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func lastStep(pointer string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer[strings.LastIndex(pointer, "/")+1:])
}
