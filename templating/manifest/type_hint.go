package manifest

import (
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// wantsPrefix begins the message about a value of the wrong type.
const wantsPrefix = "must be "

// hintTypes says what to write where a string stands in a place for another type. It depends on how the template
// has it: "5" only needs its quotes removed, but a variable that is declared as a string stays one.
func (b *builder) hintTypes(problems templating.Problems) {
	if b.rendered == nil {
		return
	}
	for i := range problems {
		p := &problems[i]
		want, got, ok := strings.Cut(strings.TrimPrefix(p.Message, wantsPrefix), ", not a string")
		if p.Code != templating.CodeType || !ok || got != "" || want != "an integer" && want != "a boolean" {
			continue
		}
		leaf := b.rendered.WrittenAt(p.Pointer)
		if !strings.Contains(leaf.Text, "{{") {
			continue
		}
		if leaf.Variable == "" {
			isOne := strings.HasPrefix(leaf.Text, "{{") && strings.Count(leaf.Text, "{{") == 1 &&
				strings.HasSuffix(leaf.Text, "}}")
			if !isOne {
				p.Suggestion = "only a string that is one placeholder and nothing else keeps its type"
			}
			continue
		}
		kind := strings.TrimPrefix(strings.TrimPrefix(want, "an "), "a ")
		declared := "its value is text"
		if leaf.Type == "string" {
			declared = "it is declared as string"
		}
		p.Suggestion = "variable " + strconv.Quote(leaf.Variable) + ": " + declared + "; declare type " + kind
		if leaf.HasActions && kind == "integer" {
			p.Suggestion += ", or write '{{ int ." + leaf.Variable + " }}'"
		}
	}
}
