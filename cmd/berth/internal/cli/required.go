package cli

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// CheckRequired reports what a document of the server lacks to be a T: {} would otherwise be shown as a T whose
// fields are all empty. The fields that may be absent are marked omitempty in the generated types.
func CheckRequired[T any](document []byte) error {
	t := reflect.TypeFor[T]()
	if place, ok := missing(document, t, ""); !ok {
		if place == "" {
			return fmt.Errorf("the response of the server is no %s", words(t.Name()))
		}
		return fmt.Errorf("the response of the server is no %s: %s is missing", words(t.Name()), place)
	}
	return nil
}

// missing returns the place in a document where something of type t lacks; ok if it is complete.
func missing(document json.RawMessage, t reflect.Type, at string) (place string, ok bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own := reflect.PointerTo(t)
	if own.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		own.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "", true
	}
	switch t.Kind() {
	case reflect.Struct:
		return missingField(document, t, at)
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(document, &items); err != nil || items == nil {
			return at, t.Elem().Kind() == reflect.Uint8 // bytes, such as a document of the user
		}
		for i, item := range items {
			if place, ok := missing(item, t.Elem(), fmt.Sprintf("%s/%d", at, i)); !ok {
				return place, false
			}
		}
	}
	return "", true
}

func missingField(document json.RawMessage, t reflect.Type, at string) (place string, ok bool) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil || fields == nil {
		return at, false
	}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, present := fields[name]
		optional := strings.Contains(options, "omitempty")
		switch {
		case name == "" || name == "-", !present && optional, string(value) == "null" && optional:
		case !present:
			return at + "/" + name, false
		default:
			if place, ok := missing(value, field.Type, at+"/"+name); !ok {
				return place, false
			}
		}
	}
	return "", true
}

// words splits the name of a type: WorkPool is a work pool.
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	if b.Len() == 0 {
		return "such document"
	}
	return b.String()
}
