package manifest

import (
	"errors"
	"strings"
)

var errUnclosedQuote = errors.New("missing closing quote")

// splitWords splits a command line the way a POSIX shell does, without expanding anything.
func splitWords(line string) ([]any, error) {
	words := []any{}
	var word strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped && r == '\n': // the line goes on
			escaped = false
		case escaped:
			inWord = true
			// Inside double quotes a backslash only escapes what would mean something there.
			if quote == '"' && !strings.ContainsRune("\"\\$`", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errUnclosedQuote
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
