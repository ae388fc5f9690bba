package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/api"
)

func Map[T, U any](items []T, to func(T) U) []U {
	out := make([]U, 0, len(items))
	for _, item := range items {
		out = append(out, to(item))
	}
	return out
}

// StringOrNil is nil for an empty string: a filter that is not asked for.
func StringOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// TrueOrNil is nil for false: a filter that is not asked for.
func TrueOrNil(on bool) *bool {
	if !on {
		return nil
	}
	return &on
}

// Some names the first few of a list.
func Some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Plural counts things in a sentence.
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

// PausedBy says who paused something, when and why, after the word that it is paused; empty for nil.
func (a *App) PausedBy(p *api.Pause) string {
	if p == nil {
		return ""
	}
	text := fmt.Sprintf(" by %s %s", p.By, a.Ago(p.At))
	if p.Reason != nil {
		text += ": " + *p.Reason
	}
	return text
}

// SlotsText in use, and of how many.
func SlotsText(used int32, limit *int32) string {
	if limit == nil {
		return strconv.Itoa(int(used))
	}
	return fmt.Sprintf("%d/%d", used, *limit)
}

func CommaList(items []string) string { return strings.Join(items, ", ") }

func Truncate(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
