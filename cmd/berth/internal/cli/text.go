package cli

import (
	"fmt"
	"strconv"
	"strings"
)

func Mapped[T, U any](items []T, to func(T) U) []U {
	out := make([]U, 0, len(items))
	for _, item := range items {
		out = append(out, to(item))
	}
	return out
}

// Given is nil for an empty string: a filter that is not asked for.
func Given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func PausedText(paused bool) string {
	if paused {
		return "paused"
	}
	return "active"
}

// Slots in use, and of how many.
func Slots(used int32, limit *int32) string {
	if limit == nil {
		return strconv.Itoa(int(used))
	}
	return fmt.Sprintf("%d/%d", used, *limit)
}

func Or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func Joined(items []string) string { return strings.Join(items, ", ") }

func Shorten(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
