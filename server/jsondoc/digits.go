package jsondoc

import (
	"encoding/json"
	"strconv"
)

// WithDigits returns a decoded document with its numbers as a text has them, where that has the same number at the same
// place: 1.50 stays 1.50, and is not 1.5.
func WithDigits(v any, text json.RawMessage) any {
	switch of := v.(type) {
	case map[string]any:
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return v
		}
		for name, member := range of {
			if written, ok := members[name]; ok {
				of[name] = WithDigits(member, written)
			}
		}
	case []any:
		var items []json.RawMessage
		if json.Unmarshal(text, &items) != nil || len(items) != len(of) {
			return v
		}
		for i, item := range of {
			of[i] = WithDigits(item, items[i])
		}
	case float64:
		if written, err := strconv.ParseFloat(string(text), 64); err == nil && written == of {
			return text
		}
	}
	return v
}
