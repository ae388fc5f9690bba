package freeze_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/freeze"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := freeze.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	decoded, _ := v.(map[string]any)
	return decoded
}

func names(values []freeze.Value) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = v.Name()
	}
	return strings.Join(all, " ")
}

func TestANameIsResolvedAgainstTheValuesThatItFreezes(t *testing.T) {
	const values = `{"image":"a","env":[{"name":"A.B","value":"1"}],"o.p":{"q":1},"l":[{"x":1}],
		"labels":{"example.com/team":"data","example":{"com/team":"other"}}}`
	for _, test := range []struct{ name, pointer, nearest string }{
		{"image", "/image", ""},
		{"env.A.B", "/env/A.B", ""},
		{"o.p.q", "/o/p/q", ""},
		{"l.0.x", "/l/0/x", ""},
		{"labels.example.com/team", "/labels/example.com~1team", ""},
		{"/labels/example/com~1team", "/labels/example/com~1team", ""},
		{"l.1.x", "", ""},
		{"Image", "", "image"},
		{"labels.exmaple.com/team", "", "labels.example.com/team"},
		{"", "", "l"},
		{"/", "", "l"},
	} {
		found, unknown := freeze.Variables(object(t, values), []string{test.name})
		if test.pointer == "" {
			if len(unknown) != 1 || unknown[0].Nearest != test.nearest {
				t.Errorf("%q: found %v, unknown %+v", test.name, found, unknown)
			}
			continue
		}
		if len(found) != 1 || found[0].Pointer() != test.pointer {
			t.Errorf("%q: found %v", test.name, found)
			continue
		}
		if diff := cmp.Diff(found[0].Path, freeze.ParseKey(found[0].Key())); diff != "" {
			t.Errorf("%q does not survive its key %q: %s", test.name, found[0].Key(), diff)
		}
	}
}

func TestARunIsAdaptedToWhatIsFrozenNow(t *testing.T) {
	for _, test := range []struct {
		name, run, was, now, freeze string
		want, changed, refused      string
	}{
		{"a value of the deployment is replaced", `{"a":1}`, `{"a":1}`, `{"a":2}`, "a", `{"a":2}`, "a", ""},
		{"the same value stays", `{"a":2.0}`, `{"a":1}`, `{"a":2}`, "a", `{"a":2.0}`, "", ""},
		{"a missing value is added", `{}`, `{}`, `{"a":2}`, "a", `{"a":2}`, "a", ""},
		{"a value of the run is refused", `{"a":3}`, `{"a":1}`, `{"a":2}`, "a", `{"a":3}`, "", "a"},
		{"null of the run is refused", `{"a":null}`, `{"a":1}`, `{"a":2}`, "a", `{"a":null}`, "", "a"},
		{"what is around it stays", `{"a":{"b":1,"c":9}}`, `{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b", `{"a":{"b":2,"c":9}}`, "a.b", ""},
		{"a replaced object gets it back", `{"a":{"c":9}}`, `{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b", `{"a":{"b":2,"c":9}}`, "a.b", ""},
		{"no place for it", `{"a":"x"}`, `{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b", `{"a":"x"}`, "", "a.b"},
		{"a shorter list", `{"a":[]}`, `{"a":[1]}`, `{"a":[2]}`, "a.0", `{"a":[]}`, "", "a.0"},
		{"a name with dots is refused", `{"a":{"b":1},"a.b":3}`, `{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b", `{"a":{"b":2},"a.b":3}`, "", "a.b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			frozen, _ := freeze.Parameters(object(t, test.now), []string{test.freeze})
			adapted := freeze.Adapt(object(t, test.run), object(t, test.was), frozen)
			if diff := cmp.Diff(object(t, test.want), adapted.Values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if names(adapted.Changed) != test.changed || names(adapted.Refused) != test.refused {
				t.Errorf("changed %v, refused %v", adapted.Changed, adapted.Refused)
			}
		})
	}
}
