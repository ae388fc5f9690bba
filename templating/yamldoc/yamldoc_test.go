package yamldoc_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating/yamldoc"
)

func TestYAMLIsReadAsTheJSONItStandsFor(t *testing.T) {
	for _, test := range []struct{ name, yaml, want string }{
		{"dates stay text", "date: 2026-01-01", `{"date":"2026-01-01"}`},
		{"yes, no and on are words", "[yes, no, on, y]", `["yes","no","on","y"]`},
		{"numbers keep their digits", "[1.10, 12345678901234567890, 1e3, 0x1f]", `[1.10,12345678901234567890,1e3,31]`},
		{"order is kept", "{b: 1, a: 2}", `{"b":1,"a":2}`},
		{"keys are strings", "{1: a, true: b}", `{"1":"a","true":"b"}`},
		{"null in its three forms", "[null, ~, ]", `[null,null]`},
		{"True is a boolean", "True", `true`},
		{"an empty document is null", "", `null`},
		{"JSON is YAML", `{"a": [1, "2", null]}`, `{"a":[1,"2",null]}`},
		{"anchors and merge keys", "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", `{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}`},
		{"an empty list is a list", "a: []", `{"a":[]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := yamldoc.ToJSON([]byte(test.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestBrokenYAMLIsRefusedWithItsLine(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 10; i++ {
		ref := string(rune('0' + i - 1))
		bomb += "a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat("*a"+ref+",",
			9) + "*a" + ref + "]\n"
	}
	for _, test := range []struct{ name, yaml, want string }{
		{"a name that comes twice", "a: 1\nb: 2\na: 3\n", `line 3: duplicate key "a"`},
		{"bad indentation", "a:\n  b: 1\n c: 2\n", "line 3: did not find"},
		{"a second document", "a: 1\n---\nb: 2\n", "line 2: a second document"},
		{"a tag of a language", "a: !!python/object:os.system x\n", "is not supported"},
		{"infinity", "a: .inf\n", `line 1: .inf is no number of JSON; to keep the text, quote it`},
		{"an alias bomb", bomb, "too large"},
		{"an alias that holds itself", "a: &x [*x]\n", "*x holds itself"},
		{"a merge of a word", "a:\n  <<: b\n", "<< takes an object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := yamldoc.ToJSON([]byte(test.yaml))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAValueThatIsWrittenIsReadAsItWas(t *testing.T) {
	for _, text := range []string{
		"", " ", "yes", "no", "on", "null", "~", "1.10", "007", "0x1f", "1e3", "2026-01-01", "2026-01-01T00:00:00Z", "12:30:45", "{{ image }}",
		"{{", "a: b", "a #b", "# a", "- a", "* a", "&a", "!!str a", "| a", "> a", "%a", "@a", "`a", "'", `"`, `\`, `a\nb`, "a\nb", "a\nb\n", "a\n\n\n", "\na",
		"  a\nb", "a\n  b", "a \nb", "a\r\nb", "a\tb", "\ta\nb", "quay ⚓", "a\u0085b", "a\u2028b", "\ufeffa", "a\x07b", "true", ".inf", ".nan", "=", "<<", "?", "[a]", "{a}", "a,b",
	} {
		value := yamldoc.NewObject(yamldoc.Place{})
		value.Add("v", yamldoc.Place{}, yamldoc.List(yamldoc.Place{}, []*yamldoc.Value{yamldoc.Word(yamldoc.Place{}, text)}))
		value.Add(text, yamldoc.Place{}, yamldoc.Word(yamldoc.Place{}, text))
		written, err := value.ToYAML()
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		read, err := yamldoc.Parse(written)
		if err != nil {
			t.Errorf("%q is written as\n%s: %v", text, written, err)
			continue
		}
		if item := read.Get("v").Items[0]; item.Kind != yamldoc.String || item.Text() != text {
			t.Errorf("%q is written as\n%sread as %s %q", text, written, item.Kind, item.Text())
		}
		if member := read.Get(text); member == nil || member.Kind != yamldoc.String || member.Text() != text {
			t.Errorf("the member %q is written as\n%s", text, written)
		}
	}
}
