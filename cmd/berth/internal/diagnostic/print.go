package diagnostic

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
)

// Printer shows the problems of a source to people.
type Printer struct {
	Source *locate.Source
	// Name is how the source is called in messages.
	Name  string
	Style cli.Style
	// Width is how many columns a source line may take; 0 is the bound for what is no terminal.
	Width int
}

// defaultWidth keeps a line of some thousand characters out of logs.
const defaultWidth = 200

// Print writes a problem at its place: one line that editors understand, the source line with carets, and
// what to do.
//
//	template.yaml:12:18: error: "imgae" is not declared in variables
//	   |
//	12 |   image: "{{ imgae }}"
//	   |           ^^^^^^^^^^^
//	   = help: did you mean "image"?
//	   = at /job_configuration/job_manifest/spec/template/spec/containers/0/image
func (pr Printer) Print(p templating.Problem, place locate.Place) string {
	var b strings.Builder
	head := pr.Name + ":"
	switch {
	case place.Line > 0:
		head = fmt.Sprintf("%s:%d:%d:", pr.Name, place.Line, place.Column)
	case p.Pointer != "":
		head = "the values:"
	}
	severity, mark := pr.Style.Failure("error:"), pr.Style.Failure
	if p.Severity == templating.SeverityWarning {
		severity, mark = pr.Style.Active("warning:"), pr.Style.Active
	}
	fmt.Fprintf(&b, "%s %s %s\n", pr.Style.Bold(head), severity, pr.Style.Bold(p.Message))
	gutter := strings.Repeat(" ", len(strconv.Itoa(place.Line)))
	if text, ok := pr.Source.Line(place.Line); ok {
		line, indent, carets := pr.excerpt(printable(text), place)
		bar := pr.Style.Dim("|")
		fmt.Fprintf(&b, "%s %s\n%s %s %s\n%s %s %s%s\n", gutter, bar, pr.Style.Dim(strconv.Itoa(place.Line)), bar,
			line, gutter, bar, indent, mark(carets))
	}
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "%s %s %s\n", gutter, pr.Style.Dim("="), pr.Style.Success("help: ")+p.Suggestion)
	}
	if p.Pointer != "" {
		fmt.Fprintf(&b, "%s %s\n", gutter, pr.Style.Dim("= at "+p.Pointer))
	}
	return b.String()
}

// printable keeps a source from talking to the terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r != '\t' && unicode.IsControl(r):
			return utf8.RuneError
		default:
			return r
		}
	}, line)
}

// excerpt is the source line, and what stands below it. Of a line that does not fit, the part around the
// place is shown.
func (pr Printer) excerpt(line string, place locate.Place) (shown, indent, carets string) {
	runes := []rune(line)
	column := min(place.Column-1, len(runes))
	end := min(column+place.Length, len(runes))
	from, to, before, after := 0, len(runes), "", ""
	if room := cmp.Or(pr.Width, defaultWidth) - 8; room > 20 && text.StringWidthWithoutEscSequences(line) > room {
		from = max(0, min(column-room/3, len(runes)-room))
		to = min(len(runes), from+room)
		if from > 0 {
			before = "…"
		}
		if to < len(runes) {
			after = "…"
		}
		end = min(end, to)
	}
	var under strings.Builder
	under.WriteString(strings.Repeat(" ", text.StringWidthWithoutEscSequences(before)))
	for _, r := range runes[from:column] {
		if r == '\t' {
			under.WriteRune(r)
			continue
		}
		under.WriteString(strings.Repeat(" ", text.RuneWidth(r)))
	}
	carets = strings.Repeat("^",
		max(1, text.StringWidthWithoutEscSequences(string(runes[column:max(column, end)]))))
	return before + string(runes[from:to]) + after, under.String(), carets
}
