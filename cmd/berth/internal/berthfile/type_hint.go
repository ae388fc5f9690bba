package berthfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// typeHint says what to write where a value has another type than its field; empty where that is not clear.
func typeHint(v *yamldoc.Value, want yamldoc.Kind, where string) string {
	text := v.Written()
	switch want {
	case yamldoc.String:
		if v.Kind == yamldoc.Number || v.Kind == yamldoc.Bool {
			return "write it in quotes"
		}
	case yamldoc.Bool:
		if is, ok := olderBoolean(text); ok && v.Kind == yamldoc.String {
			return fmt.Sprintf("write %t", is)
		}
	case yamldoc.Number:
		if v.Kind != yamldoc.String {
			return ""
		}
		if _, err := strconv.ParseFloat(text, 64); err == nil && !v.IsPlain() {
			return "remove the quotes"
		}
		if d, err := cli.ParsePeriod(text); err == nil && strings.Contains(where, "seconds") {
			return fmt.Sprintf("write it in seconds, %.0f", d.Seconds())
		}
	case yamldoc.Array:
		if v.Kind == yamldoc.String && !strings.ContainsAny(text, "\n,[]") {
			return fmt.Sprintf("write [%s]", text)
		}
		if v.Kind == yamldoc.Object && len(v.Names) > 0 {
			return "begin each of its entries with a hyphen and a name, as in: - name: " + v.Names[0].Name
		}
	}
	return ""
}

// mismatch says what a value must be, what it is, and what to write.
func mismatch(v *yamldoc.Value, kinds []yamldoc.Kind, where string) string {
	words := make([]string, len(kinds))
	hint := ""
	for i, kind := range kinds {
		words[i] = article(kind) + " " + string(kind)
		if hint == "" {
			hint = typeHint(v, kind, where)
		}
	}
	message := fmt.Sprintf("%s must be %s, this is %s %s", where, strings.Join(words, " or "), article(v.Kind), v.Kind)
	if hint != "" {
		message += ": " + hint
	}
	return message
}
