package function_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjects(t *testing.T) {
	w := world{
		variables: object{
			"o": object{"b": int64(2), "a": int64(1), "null": nil}, "deep": object{"x": object{"y": "z"}},
			"l": list(int64(1)),
		},
	}
	w.run(t, []evaluation{
		{name: "dict", source: `{{ dict "a" 1 "b" .l }}`, want: object{"a": int64(1), "b": list(int64(1))}},
		{
			name:   "dict leaves out an entry without a value",
			source: `{{ dict "a" absent "b" .missing "c" nil }}`, want: object{"c": nil},
		},
		{name: "dict with a last key alone", source: `{{ dict "a" }}`, want: object{"a": ""}},
		{
			name: "dict takes scalars for keys", source: `{{ dict 1 "a" true "b" }}`,
			want: object{"1": "a", "true": "b"},
		},
		{
			name: "dict with a list for a key", source: `{{ dict .l 1 }}`,
			err: "dict: argument 1 must be a string, number or boolean, not a list",
		},
		{name: "get", source: `{{ get .o "a" }}`, want: int64(1)},
		{
			name: "get of a missing key is the empty string, as in sprig", source: `{{ get .o "none" }}`,
			want: "",
		},
		{
			name: "get of a list", source: `{{ get .l "a" }}`,
			err: "get: argument 1 must be an object, not a list",
		},
		{name: "hasKey", source: `{{ hasKey .o "null" }}`, want: true},
		{name: "hasKey of a missing key", source: `{{ hasKey .o "none" }}`, want: false},
		{
			name: "keys are in order, where sprig's are not", source: `{{ keys .o }}`,
			want: list("a", "b", "null"),
		},
		{
			name: "keys of several objects follow each other", source: `{{ keys .o .deep }}`,
			want: list("a", "b", "null", "x"),
		},
		{
			name: "values are in the order of their keys", source: `{{ values .o }}`,
			want: list(int64(1), int64(2), nil),
		},
		{name: "pick", source: `{{ pick .o "a" "none" }}`, want: object{"a": int64(1)}},
		{name: "omit", source: `{{ omit .o "a" "null" }}`, want: object{"b": int64(2)}},
		{name: "pluck", source: `{{ pluck "a" .o (dict "a" 5) (dict) }}`, want: list(int64(1), int64(5))},
		{
			name: "pluck of what is not an object", source: `{{ pluck "a" .o .l }}`,
			err: "pluck: argument 3 must be an object, not a list",
		},
		{name: "dig", source: `{{ dig "x" "y" "default" .deep }}`, want: "z"},
		{
			name: "dig with a missing key is the default", source: `{{ dig "x" "none" "default" .deep }}`,
			want: "default",
		},
		{
			name: "dig into a string", source: `{{ dig "x" "y" "z" "default" .deep }}`,
			err: `dig: a string has no entry "z"`,
		},
	})
}

func TestFunctionsThatChangeAnObject(t *testing.T) {
	w := world{variables: object{"o": object{"a": int64(1), "in": object{"x": int64(1)}}, "l": list()}}
	w.run(t, []evaluation{
		{name: "set", source: `{{ set (dict "a" 1) "b" 2 }}`, want: object{"a": int64(1), "b": int64(2)}},
		{name: "set of no value removes", source: `{{ set (dict "a" 1) "a" absent }}`, want: object{}},
		{
			name:   "set in a variable is seen by later actions of the leaf",
			source: `{{ set .o "b" 2 | keys }}`, want: list("a", "b", "in"),
		},
		{name: "unset", source: `{{ unset (dict "a" 1 "b" 2) "a" }}`, want: object{"b": int64(2)}},
		{name: "unset of a missing key", source: `{{ unset (dict) "a" }}`, want: object{}},
		{
			name: "merge keeps what is there", source: `{{ merge (dict "a" 1) (dict "a" 2 "b" 3) }}`,
			want: object{"a": int64(1), "b": int64(3)},
		},
		{
			name: "merge replaces empty values", source: `{{ merge (dict "a" "") (dict "a" 2) }}`,
			want: object{"a": int64(2)},
		},
		{
			name:   "merge goes into objects",
			source: `{{ merge (dict "o" (dict "a" 1)) (dict "o" (dict "a" 2 "b" 3)) }}`,
			want:   object{"o": object{"a": int64(1), "b": int64(3)}},
		},
		{
			name:   "mergeOverwrite replaces",
			source: `{{ mergeOverwrite (dict "a" 1) (dict "a" 2) (dict "a" 3) }}`,
			want:   object{"a": int64(3)},
		},
		{
			name: "merge of a list", source: `{{ merge (dict) .l }}`,
			err: "merge: argument 2 must be an object, not a list",
		},
		{
			name: "set in what is not an object", source: `{{ set .l "a" 1 }}`,
			err: "set: argument 1 must be an object, not a list",
		},
		{
			name: "an object cannot contain itself", source: `{{ set .o "self" .o }}`,
			err: "set: an object cannot contain itself",
		},
		{
			name:   "an object cannot contain a list with itself",
			source: `{{ set .o "self" (list 1 (list .o)) }}`, err: "set: an object cannot contain itself",
		},
		{
			name: "an object cannot contain its parent", source: `{{ set .o.in "parent" .o }}`,
			err: "set: an object cannot contain itself",
		},
		{
			name:   "an object may contain a copy of itself",
			source: `{{ set .o "copy" (deepCopy .o) | len }}`, want: int64(3),
		},
		{name: "merge of an object with itself", source: `{{ merge .o .o | len }}`, want: int64(2)},
	})
}

func TestCyclesInSeveralStepsAreRefused(t *testing.T) {
	w := world{variables: object{"a": object{}, "b": object{}}}
	for name, source := range map[string]string{
		"two objects in each other":    `{{ $_ := set .a "b" .b }}{{ $_ := set .b "a" .a }}`,
		"through a list":               `{{ $_ := set .a "l" (list .b) }}{{ $_ := set .b "l" (list .a) }}`,
		"through the root":             `{{ $_ := set .a "root" . }}`,
		"through a variable":           `{{ $x := dict }}{{ $y := dict "x" $x }}{{ $_ := set $x "y" $y }}`,
		"through a merge into a child": `{{ $x := dict "c" (dict) }}{{ $_ := set $x.c "x" $x }}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.text(t, source); err == nil ||
				err.Error() != "set: an object cannot contain itself" {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}

func TestNestingIsBoundedWhenItIsMade(t *testing.T) {
	w := world{}
	for name, source := range map[string]string{
		"by set":   `{{ $x := dict }}{{ range until 200 }}{{ $x = set (dict) "in" $x }}{{ end }}{{ toJson $x }}`,
		"by list":  `{{ $x := list }}{{ range until 200 }}{{ $x = list $x }}{{ end }}{{ toJson $x }}`,
		"by dict":  `{{ $x := dict }}{{ range until 200 }}{{ $x = dict "in" $x }}{{ end }}{{ toYaml $x }}`,
		"by merge": `{{ $x := dict }}{{ range until 200 }}{{ $x = merge (dict "in" $x) $x }}{{ end }}{{ len $x }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.text(t, source)
			if limit := limitOf(err); limit != "nesting" && limit != "fuel" && limit != "alloc" {
				t.Errorf("got %v, want a limit", err)
			}
		})
	}
}

func TestArgumentsAreNeverChanged(t *testing.T) {
	before := func() object {
		return object{"l": list("b", "a"), "o": object{"a": int64(1), "in": object{"x": list(int64(1))}}}
	}
	for _, source := range []string{
		`{{ sortAlpha .l }}`, `{{ reverse .l }}`, `{{ uniq .l }}`, `{{ append .l 1 }}`, `{{ prepend .l 1 }}`,
		`{{ without .l "a" }}`, `{{ concat .l .l }}`, `{{ omit .o "a" }}`, `{{ pick .o "a" }}`,
		`{{ set .o "b" 2 }}`, `{{ set .o.in "y" 2 }}`, `{{ unset .o "a" }}`, `{{ merge .o (dict "b" 1) }}`,
		`{{ mergeOverwrite .o (dict "in" (dict "x" 9)) }}`, `{{ set . "new" 1 }}`, `{{ deepCopy .o }}`,
	} {
		t.Run(source, func(t *testing.T) {
			w := world{variables: before()}
			if _, err := w.evaluate(t, source); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before(), w.variables); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestMergeCopiesItsSources(t *testing.T) {
	w := world{variables: object{"a": object{}, "b": object{"in": object{"x": int64(1)}}}}
	got, err := w.text(t, `{{ $m := merge .a .b }}{{ $_ := set $m.in "x" 2 }}{{ $m.in.x }}{{ .b.in.x }}`)
	if err != nil || got != "21" {
		t.Errorf("got %q, %v; want the source unchanged", got, err)
	}
	if !maps.Equal(w.variables["a"].(object), object{}) {
		t.Errorf("the first object outside the leaf changed: %v", w.variables["a"])
	}
}
