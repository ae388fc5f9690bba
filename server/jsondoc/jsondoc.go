// Package jsondoc reads, writes and compares JSON documents that the server stores without knowing their
// fields: parameters, job variables, templates.
package jsondoc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// Members splits an object into its members, each as it is written. No document is the empty object.
func Members(document json.RawMessage) (map[string]json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if len(document) == 0 {
		return object, nil
	}
	err := json.Unmarshal(document, &object)
	return object, err
}

// Object decodes an object into the values that templates work on. No document is the empty object.
func Object(document json.RawMessage) (map[string]any, error) {
	if len(document) == 0 {
		return map[string]any{}, nil
	}
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, err
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		return nil, errors.New("must be an object")
	}
	return object, nil
}

// OrEmpty returns the document, or {} when there is none.
func OrEmpty(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return json.RawMessage("{}")
	}
	return document
}

// Encode writes JSON with sorted keys and without escaping <, > and &.
func Encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// Equal reports whether two documents have the same value. No document equals only no document.
func Equal(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := templating.DecodeJSON(a)
	y, errY := templating.DecodeJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// Hash returns the same text for all documents with the same value, however they are written. Numbers in v
// are json.Number, so that 1.0 and 1 differ.
func Hash(v any) (string, error) {
	canonical, err := Encode(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// PointerStep escapes a name for use as a step of a JSON pointer.
func PointerStep(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// FirstStep is the first step of a JSON pointer, unescaped; empty for the whole document.
func FirstStep(pointer string) string {
	step, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}
