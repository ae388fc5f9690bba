package substitute

import (
	"testing"

	"github.com/berth-dev/berth/templating/internal/value"
)

func TestValuesKeepTheirForm(t *testing.T) {
	schema := map[string]any{"properties": map[string]any{
		"known": map[string]any{"type": "string"},
		"size":  map[string]any{"enum": []any{"small", "large"}},
	}}
	s := Values{
		Words: map[string]bool{"gpu-": true, "fixed": true}, Keys: map[string]bool{"read": true},
		Resolve: func(schema map[string]any) map[string]any { return schema },
	}
	gently := s
	gently.Gently = true
	tests := map[string]struct {
		with    Values
		v, want any
	}{
		"letters and digits":       {s, "db-Main_9", "ec-Nbjo_0"},
		"a number":                 {s, int64(5), int64(6)},
		"truth":                    {s, true, true},
		"nothing":                  {s, nil, nil},
		"a date":                   {s, "2026-01-31", "3137-01-31"},
		"a time":                   {s, "2026-01-31T23:59:59Z", "3137-01-31T23:59:59Z"},
		"a quantity":               {s, "512Mi", "623Mi"},
		"a duration":               {s, "1h30m", "2h41m"},
		"a word of the template":   {s, "fixed", "fixed"},
		"a text that begins so":    {s, "gpu-a100", "gpu-b211"},
		"YAML in a text":           {s, "x\n- y: {z}", "yx- z: {a}"},
		"another alphabet":         {s, "é", "x"},
		"a list":                   {s, []any{"a", int64(1)}, []any{"b", int64(2)}},
		"keys":                     {s, map[string]any{"known": "a", "size": "large", "other": "a", "read": "a"}, map[string]any{"known": "b", "size": "large", "puifs": "b", "read": "b"}},
		"a choice that is none":    {s, map[string]any{"size": "huge"}, map[string]any{"size": "ivhf"}},
		"gently":                   {gently, "reg/db:v9", "reg/db:v0"},
		"gently, with structure":   {gently, "reg/db, privileged: {a}", "reg/dbxxprivilegedxxxay"},
		"keys that would be equal": {s, map[string]any{"a": "1", "b": "1", "read": "1"}, map[string]any{"b": "2", "c": "2", "read": "2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.with.Value(test.v, nil, schema); !value.Equal(got, test.want) {
				t.Errorf("%#v became %#v, want %#v", test.v, got, test.want)
			}
		})
	}
	base := map[string]any{"X": map[string]any{"name": "db"}}
	got := s.Value(map[string]any{"X": map[string]any{"name": "db"}, "Y": "z"}, base, nil)
	if want := (map[string]any{"X": map[string]any{"name": "db"}, "Z": "a"}); !value.Equal(got, want) {
		t.Errorf("beside a default it became %#v, want %#v", got, want)
	}
}
