package value

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// Normalize brings what Go code made by hand (maps of strings, ints, json.Number, raw JSON) into the form of
// a value. Values that are already in that form come back as they are, not copied.
func Normalize(v any) (any, error) {
	if wellFormed(v, 0) {
		return v, nil
	}
	return normalize(v, "", 0)
}

func wellFormed(v any, depth int) bool {
	switch v := v.(type) {
	case nil, string, bool, int64:
		return true
	case float64:
		return !math.IsInf(v, 0) && !math.IsNaN(v)
	case map[string]any:
		if v == nil || depth >= MaxDepth {
			return false
		}
		for _, item := range v {
			if !wellFormed(item, depth+1) {
				return false
			}
		}
		return true
	case []any:
		if v == nil || depth >= MaxDepth {
			return false
		}
		for _, item := range v {
			if !wellFormed(item, depth+1) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func normalize(v any, pointer string, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("at %q: nested deeper than %d levels", pointer, MaxDepth)
	}
	switch v := v.(type) {
	case nil, string, bool, int64:
		return v, nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("at %q: %v cannot be written as JSON", pointer, v)
		}
		return v, nil
	case json.Number:
		return parseNumber(string(v))
	case json.RawMessage:
		return DecodeJSON(v)
	}
	return normalizeReflected(reflect.ValueOf(v), pointer, depth)
}

func normalizeReflected(v reflect.Value, pointer string, depth int) (any, error) {
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() <= math.MaxInt64 {
			return int64(v.Uint()), nil
		}
	case reflect.Float32:
		return normalize(v.Float(), pointer, depth)
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			return normalizeMap(v, pointer, depth)
		}
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			item, err := normalize(v.Index(i).Interface(), Pointer(pointer, strconv.Itoa(i)), depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		return list, nil
	}
	return nil, fmt.Errorf("at %q: %w", pointer, errUnsupported)
}

func normalizeMap(v reflect.Value, pointer string, depth int) (any, error) {
	object := make(map[string]any, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		key := entries.Key().String()
		item, err := normalize(entries.Value().Interface(), Pointer(pointer, key), depth+1)
		if err != nil {
			return nil, err
		}
		object[key] = item
	}
	return object, nil
}
