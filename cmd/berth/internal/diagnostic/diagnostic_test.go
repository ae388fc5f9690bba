package diagnostic_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/templating"
)

func TestALineThatDoesNotFitIsShownAroundThePlace(t *testing.T) {
	line := "a: [" + strings.Repeat("x, ", 100) + `"{{ imgae }}", ` + strings.Repeat("y, ", 100) + "z]"
	s := diagnostic.New("f.yaml", []byte("job_configuration:\n  "+line+"\n"))
	p := templating.Problem{
		Severity: templating.SeverityError, Pointer: "/job_configuration/a/100", Line: 1, Column: 1,
		Message: "no",
	}
	place := s.Locate(p)
	out := diagnostic.Printer{Width: 60}.Print(s, p, place)
	lines := strings.Split(out, "\n")
	if !strings.Contains(lines[2], "…") || !strings.Contains(lines[2], `"{{ imgae }}"`) ||
		len([]rune(lines[2])) > 62 {
		t.Errorf("got\n%s", out)
	}
	if at, under := strings.Index(strings.ReplaceAll(lines[2], "…", "."), "{{"), strings.Index(lines[3], "^"); at != under {
		t.Errorf("the caret stands at %d, the place is at %d:\n%s", under, at, out)
	}
}

func TestASourceCanNotTalkToTheTerminal(t *testing.T) {
	s := diagnostic.New("f.yaml", []byte("engin: \"\x1b[2J\"\r\n"))
	p := templating.Problem{Pointer: "/engin", Code: templating.CodeUnknownField, Message: "no"}
	if out := (diagnostic.Printer{}).Print(s, p, diagnostic.Place{Line: 1, Column: 1, Length: 5}); strings.ContainsAny(
		out, "\x1b\r",
	) {
		t.Errorf("got %q", out)
	}
}

func TestWhatCanNotBeFoundHasNoPlace(t *testing.T) {
	broken := diagnostic.New("f.yaml", []byte("a: [\n"))
	circle := diagnostic.New("f.yaml", []byte("job_configuration: &a\n  <<: *a\n  b: c\n"))
	for name, got := range map[string]diagnostic.Place{
		"a file that is no YAML":  broken.Locate(templating.Problem{Pointer: "/job_configuration"}),
		"a problem of the values": circle.Locate(templating.Problem{Pointer: "/image"}),
		"an empty file":           diagnostic.New("f.yaml", nil).Locate(templating.Problem{Pointer: "/engine"}),
		"nothing but a comment":   diagnostic.New("f.yaml", []byte("# x\n")).Locate(templating.Problem{Pointer: "/engine"}),
	} {
		if got != (diagnostic.Place{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := circle.Locate(templating.Problem{Pointer: "/job_configuration/nowhere/x"}); got.Line != 1 {
		t.Errorf("the nearest that is there: %+v", got)
	}
	if got := circle.Locate(templating.Problem{Pointer: "/job_configuration/b", Line: 9, Column: 9}); got.Line != 3 {
		t.Errorf("a place beyond the string: %+v", got)
	}
}

func TestAProblemOfARenderedTextIsFoundByItsNameWhereThatIsOne(t *testing.T) {
	s := diagnostic.New("f.yaml", []byte(`job_configuration:
  job_manifest: |
    metadata: {name: x}
    spec:
      {{- if .a }}
      imagee: 5
      {{- end }}
      memory-limit: 1
      limits: {memory: 256MiB}
      containers: [{name: y, args: [1]}]
`))
	const at = "/job_configuration/job_manifest/spec/"
	for pointer, want := range map[string]int{
		at + "imagee": 6, at + "limits/memory": 9, at + "containers/0/args/0": 10, at + "containers/0/name": 2, at + "containers/0/image": 2,
	} {
		if got := s.Locate(templating.Problem{Pointer: pointer, Code: templating.CodeInvalid}); got.Line != want {
			t.Errorf("%s: line %d, want %d", pointer, got.Line, want)
		}
	}
	if got := s.Locate(templating.Problem{Pointer: at + "imagee", Code: templating.CodeRequired}); got.Line != 2 {
		t.Errorf("what is missing was found in line %d", got.Line)
	}
}

func TestALongLineIsClippedWhereThereIsNoTerminal(t *testing.T) {
	line := `command: ["` + strings.Repeat("a", 6000) + `{{ nothing }}"]`
	source := diagnostic.New("long.yaml", []byte(line))
	text := diagnostic.Printer{}.Print(source, templating.Problem{Message: "no"}, diagnostic.Place{Line: 1, Column: 6012, Length: 13})
	if len(text) > 700 || !strings.Contains(text, "{{ nothing }}") {
		t.Errorf("%d bytes: %.900s", len(text), text)
	}
}
