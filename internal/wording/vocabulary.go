package wording

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
)

// A phrase that this project does not use, with what to write instead.
type phrase struct {
	pattern *regexp.Regexp
	instead string
}

// phrases hold for messages, comments and documentation alike: they read like a translation, or name by
// another word what has one already.
func phrases() []phrase {
	return []phrase{
		{regexp.MustCompile(`(?i)\bcan not\b`), "cannot"},
		{regexp.MustCompile(`(?i)\bis (?:there|given|named|said|listed) twice\b`), "duplicate …"},
		{regexp.MustCompile(`(?i)\blet(?:s|ting)? go of\b`), "release leases, finalize, disown or delete"},
		{regexp.MustCompile(`(?i)\bfor there (?:is|are|was)\b`), "because …"},
		{regexp.MustCompile(`(?i)\b(?:can|could|to|may) be had\b`), "available"},
		{regexp.MustCompile(`(?i)\bthose (?:that|who|which)\b`), "name them"},
		{regexp.MustCompile(`(?i)\b(?:some|no|every)body\b`), "name who: a user, another worker, the server"},
		{regexp.MustCompile(`(?i)\b(?:any|no|not|it) more, (?:and|but)\b`), "no longer"},
		{regexp.MustCompile(`(?i)\bof (?:its|their|one's|my|our) own\b`), "own, separate or dedicated"},
	}
}

// codePhrases hold for messages only: what a program says to itself.
func codePhrases() []phrase {
	return []phrase{
		{regexp.MustCompile(`%T`), "the value or the field, not its Go type"},
		{regexp.MustCompile(`\[a-z0-9|\(\?[:i]|\\w`), "the rule in words, not a regular expression"},
	}
}

// Complaint is a phrase that does not belong where it stands.
type Complaint struct {
	File string
	Line int
	Text string // the phrase
	Want string
}

func (c Complaint) String() string {
	return fmt.Sprintf("%s:%d: %q: write %s", c.File, c.Line, c.Text, c.Want)
}

// CheckMessage finds in a message what CheckText finds, and what no user should have to read.
func CheckMessage(m Message) []Complaint {
	return append(CheckText(m.File, m.Line, m.Text), check(codePhrases(), m.File, m.Line, m.Text)...)
}

// CheckText finds the phrases in a text that begins at a line of a file.
func CheckText(file string, line int, text string) []Complaint {
	return check(phrases(), file, line, text)
}

func check(phrases []phrase, file string, line int, text string) []Complaint {
	var out []Complaint
	for _, p := range phrases {
		for _, at := range p.pattern.FindAllStringIndex(text, -1) {
			out = append(out, Complaint{
				File: file, Line: line + lineOf([]byte(text), at[0]) - 1, Text: text[at[0]:at[1]], Want: p.instead,
			})
		}
	}
	return out
}

// CheckComments finds the phrases in the comments of a Go file, tests included; generated files are left out.
func CheckComments(name string, source []byte) ([]Complaint, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var out []Complaint
	for _, group := range file.Comments {
		out = append(out, CheckText(name, files.Position(group.Pos()).Line, group.Text())...)
	}
	return out, nil
}
