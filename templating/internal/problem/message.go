package problem

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

func QuoteAll(names []string) string {
	return List(names, Quote, ", ")
}

func Quote(s string) string { return strconv.Quote(Shorten(s)) }

func QuoteJSON(values ...any) string {
	return List(values, func(v any) string {
		text, err := value.AppendJSON(nil, v)
		if err != nil {
			text = fmt.Append(nil, v)
		}
		return Shorten(string(text))
	}, ", ")
}

// maxListed bounds how many things a message lists.
const maxListed = 20

// List writes what a message lists, as far as anybody reads it.
func List[T any](items []T, text func(T) string, between string) string {
	texts := make([]string, 0, min(len(items), maxListed+1))
	for i, item := range items {
		if i == maxListed {
			texts = append(texts, fmt.Sprintf("… (%d more)", len(items)-i))
			break
		}
		texts = append(texts, text(item))
	}
	return strings.Join(texts, between)
}

// Shorten keeps a message readable whatever was given.
func Shorten(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:77], "") + "..."
}

// Excerpt returns a line of a leaf, for showing it with a caret.
func Excerpt(leaf string, line int) string {
	for range line - 1 {
		_, rest, found := strings.Cut(leaf, "\n")
		if !found {
			break
		}
		leaf = rest
	}
	first, _, _ := strings.Cut(leaf, "\n")
	if len(first) > 200 {
		first = strings.ToValidUTF8(first[:200], "") // a character that is cut in two is left out
	}
	return first
}
