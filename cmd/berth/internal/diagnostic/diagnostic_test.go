package diagnostic_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/diagnostic"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
)

func TestALineThatDoesNotFitIsShownAroundThePlace(t *testing.T) {
	line := "a: [" + strings.Repeat("x, ", 100) + `"{{ imgae }}", ` + strings.Repeat("y, ", 100) + "z]"
	s := locate.New([]byte("job_configuration:\n  " + line + "\n"))
	p := templating.Problem{
		Severity: templating.SeverityError, Pointer: "/job_configuration/a/100", Line: 1, Column: 1,
		Message: "no",
	}
	place := s.Locate(p)
	out := diagnostic.Printer{Source: s, Width: 60}.Print(p, place)
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
	s := locate.New([]byte("engin: \"\x1b[2J\"\r\n"))
	p := templating.Problem{Pointer: "/engin", Code: templating.CodeUnknownField, Message: "no"}
	if out := (diagnostic.Printer{Source: s}).Print(p, locate.Place{Line: 1, Column: 1, Length: 5}); strings.ContainsAny(
		out, "\x1b\r",
	) {
		t.Errorf("got %q", out)
	}
}

func TestALongLineIsClippedWhereThereIsNoTerminal(t *testing.T) {
	line := `command: ["` + strings.Repeat("a", 6000) + `{{ nothing }}"]`
	source := locate.New([]byte(line))
	text := diagnostic.Printer{Source: source}.Print(templating.Problem{Message: "no"}, locate.Place{Line: 1, Column: 6012, Length: 13})
	if len(text) > 700 || !strings.Contains(text, "{{ nothing }}") {
		t.Errorf("%d bytes: %.900s", len(text), text)
	}
}
