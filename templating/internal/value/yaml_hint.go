package value

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What people write into YAML without quotes that needs them. The library says what its parser expected instead.
var (
	// unquotedSpecial matches a value that begins with a character that YAML keeps for itself.
	unquotedSpecial = regexp.MustCompile("(?:^\\s*|[:,?-]\\s+|[\\[{]\\s*)([@`%*&!,}\\]][^#\\]}]*)")
	// unquotedColon matches a value with a colon and a space in it.
	unquotedColon = regexp.MustCompile(`^\s*(?:-\s+)*[^\s:'"#{\[][^:'"#]*:\s+([^\s'"{\[|>&*!#][^#]*?:(?:\s[^#]*)?)(?:\s+#.*)?$`)
	// afterQuote matches text that goes on after the quote that closed it.
	afterQuote = regexp.MustCompile(`[:,\-\[{]\s+(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")\s*[^\s,\]}:#'"]`)
	anchorName = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// yamlHints are what to do about errors of the library, by how they begin; empty where it cannot be told.
var yamlHints = []struct {
	message string
	hint    func(line string) string
}{
	{"found character that cannot start any token", specialHint},
	{"did not find expected alphabetic or numeric character", specialHint},
	{"did not find expected node content", specialHint},
	{"did not find expected ',' or", specialHint},
	{"mapping values are not allowed", func(line string) string {
		if match := unquotedColon.FindStringSubmatch(line); match != nil {
			return fmt.Sprintf(`a value with a colon and a space in it must be quoted: %q`, strings.TrimSpace(match[1]))
		}
		return `a key stands where the line before has its value already: check the indentation`
	}},
	{"block sequence entries are not allowed", func(string) string {
		return "a list begins on the next line, or in brackets as in [a, b]; quote a text that begins with -"
	}},
	{"mapping keys are not allowed", func(string) string { return "a value that begins with ? must be quoted" }},
	{"found unknown escape character", func(string) string {
		return `a backslash in double quotes begins an escape; write \\ for it, or use single quotes`
	}},
	{"found unexpected end of stream", func(string) string { return "a quote is not closed" }},
}

func specialHint(line string) string {
	match := unquotedSpecial.FindStringSubmatch(line)
	if match == nil {
		return ""
	}
	text := strings.TrimSpace(match[1])
	return fmt.Sprintf("a value that begins with %s must be quoted: %q", text[:1], text)
}

// laterHints are of errors for which the library names the line in which the object begins. The line of the fault
// comes later.
var laterHints = []struct {
	message, hint string
	isAt          func(line []byte) bool
}{
	{
		"did not find expected key", "the text goes on after its closing quote; quote all of it, and double a ' that is in it",
		afterQuote.Match,
	},
	{
		"found a tab character that violates indentation", "a tab cannot be used for indentation",
		func(line []byte) bool {
			return bytes.ContainsRune(line[:len(line)-len(bytes.TrimLeft(line, " \t"))], '\t')
		},
	},
}

// laterHint finds the line of such an error, counted from the given ones, and says what to do; empty for any other.
func laterHint(message string, lines [][]byte) (after int, hint string) {
	for _, known := range laterHints {
		if !strings.HasPrefix(message, known.message) {
			continue
		}
		if i := slices.IndexFunc(lines, known.isAt); i >= 0 {
			return i, known.hint
		}
	}
	return 0, ""
}

// hintOf says what to do about an error, in the words of what stands in its line; empty where that is not clear.
func hintOf(message string, lines ...[]byte) string {
	for _, known := range yamlHints {
		if !strings.HasPrefix(message, known.message) {
			continue
		}
		for _, line := range lines {
			if hint := known.hint(string(bytes.TrimRight(line, "\r"))); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// missingAnchor finds where an anchor is referred to that does not exist; line 0 for any other error.
func missingAnchor(data []byte, message string) (line int, hint string) {
	match := anchorName.FindStringSubmatch(message)
	if match == nil {
		return 0, ""
	}
	before, _, found := bytes.Cut(data, []byte("*"+match[1]))
	if !found {
		return 0, ""
	}
	return 1 + bytes.Count(before, []byte("\n")),
		fmt.Sprintf("there is no anchor &%s; a text that begins with * must be quoted", match[1])
}
