package wording

import (
	"regexp"
	"strings"
)

var (
	markupText = regexp.MustCompile(`>([^<>]+)<`)
	markupWord = regexp.MustCompile(`\b(?:title|placeholder|aria-label|alt|content|label)="([^"]+)"`)
	scriptPart = regexp.MustCompile(
		`(?s)/\*.*?\*/|//[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|` + "`(?:\\\\.|[^`\\\\])*`")
	spaces = regexp.MustCompile(`\s+`)
)

// MarkupFile returns the texts of an HTML page: what stands between tags and in the attributes that people
// read.
func MarkupFile(name string, source []byte) []Message {
	found := append(markupText.FindAllSubmatchIndex(source, -1),
		markupWord.FindAllSubmatchIndex(source, -1)...)
	var out []Message
	for _, at := range found {
		out = appendText(out, Message{Surface: UI, File: name, Line: lineOf(source, at[2])},
			source[at[2]:at[3]])
	}
	return out
}

// ScriptFile returns the texts of a JavaScript file: its string and template literals of two words or more.
func ScriptFile(name string, source []byte) []Message {
	var out []Message
	for _, at := range scriptPart.FindAllIndex(source, -1) {
		part := source[at[0]:at[1]]
		if part[0] != '/' { // a comment
			out = appendText(out, Message{Surface: UI, File: name, Line: lineOf(source, at[0])},
				part[1:len(part)-1])
		}
	}
	return out
}

func appendText(list []Message, m Message, text []byte) []Message {
	m.Text = strings.TrimSpace(spaces.ReplaceAllString(string(text), " "))
	if !twoWords.MatchString(m.Text) {
		return list
	}
	return append(list, m)
}

func lineOf(source []byte, offset int) int { return 1 + strings.Count(string(source[:offset]), "\n") }
