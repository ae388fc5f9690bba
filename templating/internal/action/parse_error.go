package action

import (
	"regexp"
	"strconv"
	"strings"
)

// parseIssue reads an error of the parser, "template: NAME:LINE: message".
func parseIssue(err error) Issue {
	text := strings.TrimPrefix(err.Error(), "template: "+mainName+":")
	number, message, found := strings.Cut(text, ": ")
	line, convErr := strconv.Atoi(number)
	if !found || convErr != nil {
		return Issue{Line: 1, Message: err.Error()}
	}
	issue := Issue{Line: line}
	issue.Message, issue.Suggestion = explainParseError(message)
	return issue
}

// parseErrors are errors of the parser that need no more than other words.
var parseErrors = map[string]string{
	"unexpected EOF":                  "missing {{ end }} of an if, range, with, define or block",
	"unexpected {{end}}":              "{{ end }} without an open if, range, with, define or block",
	"unexpected {{else}}":             "{{ else }} without an open if, range or with",
	"expected end; found {{else}}":    "second {{ else }} in one block",
	"unclosed action":                 "missing closing }} of an action",
	"unclosed comment":                "missing closing */ of a comment",
	"unclosed left paren":             "missing closing )",
	"unexpected right paren":          "unexpected )",
	"unterminated quoted string":      "missing closing quote of a string",
	"unterminated raw quoted string":  "missing closing quote of a string",
	"unterminated character constant": "missing closing quote of a character",
	"missing value for command":       "missing value in an action",
	"invalid syntax":                  "invalid escape sequence in a string",
	"too many declarations in range":  "range declares at most two variables",
}

var (
	badCharacter   = regexp.MustCompile(`^(?:unexpected )?bad character U\+[0-9A-F]+ ('.*')`)
	unexpectedText = regexp.MustCompile(`^unexpected (?:"(.*)"|<(.*)>) in [a-z ]+$`)
	invalidNumber  = regexp.MustCompile(`^(?:bad|illegal) number syntax: "(.*)"$`)
	tooLarge       = regexp.MustCompile(`^integer overflow: "(.*)"$`)
	badConstant    = regexp.MustCompile(`^malformed character constant: (.*)$`)
)

// operatorHints say which function does what an operator does in other languages.
var operatorHints = map[string]string{
	"=": "compare with eq, as in: eq .a .b",
	"!": "negate with not, or compare with ne",
	"&": "combine conditions with and, as in: and .a .b",
	"+": "calculate with add, sub, mul and div, as in: add .a 1",
	"-": "calculate with add, sub, mul and div, as in: sub .a 1",
	"*": "calculate with add, sub, mul and div, as in: mul .a 2",
	"/": "calculate with add, sub, mul and div, as in: div .a 2",
	"<": "compare with lt or le, as in: lt .a .b",
	">": "compare with gt or ge, as in: gt .a .b",
	"?": "choose with ternary, as in: ternary \"yes\" \"no\" .a",
	"[": "make a list with list, as in: list 1 2",
	"{": "make an object with dict, as in: dict \"key\" 1",
}

// explainParseError words an error of the parser for template authors.
func explainParseError(message string) (text, suggestion string) {
	if text, ok := parseErrors[message]; ok {
		return text, ""
	}
	if match := badCharacter.FindStringSubmatch(message); match != nil {
		if match[1] == "'-'" {
			suggestion = `write a name that has a dash with index, as in: index . "my-name"`
		}
		return "unexpected character " + match[1], suggestion
	}
	if match := unexpectedText.FindStringSubmatch(message); match != nil {
		token := match[1] + match[2]
		return "unexpected " + strconv.Quote(token), operatorHints[token]
	}
	if match := invalidNumber.FindStringSubmatch(message); match != nil {
		if hint, ok := operatorHints[match[1]]; ok {
			return "unexpected " + strconv.Quote(match[1]), hint
		}
		return "invalid number " + strconv.Quote(match[1]), ""
	}
	if match := tooLarge.FindStringSubmatch(message); match != nil {
		return "integer " + match[1] + " does not fit into 64 bits", ""
	}
	if match := badConstant.FindStringSubmatch(message); match != nil {
		return match[1] + " is not one character", "write text in double quotes"
	}
	if rest, ok := strings.CutPrefix(message, "missing value for "); ok {
		return "missing value after " + rest, ""
	}
	return message, ""
}
