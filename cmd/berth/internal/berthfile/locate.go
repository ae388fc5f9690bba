package berthfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/yamldoc"
)

func place(file string, at yamldoc.Place) string {
	if file == "-" {
		file = "standard input"
	}
	switch {
	case file == "" || at.Line == 0:
		return file
	case at.Column == 0:
		return fmt.Sprintf("%s:%d", file, at.Line)
	}
	return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// Locate says where in the files that is which a JSON pointer into the request points at: file, line, column,
// and the path as the author knows it. A pointer that leads nowhere is given back.
func (f *File) Locate(pointer string) string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i := range parts {
		parts[i] = unescape.Replace(parts[i])
	}
	if len(parts) < 2 {
		return pointer
	}
	entries := f.entries(parts[0])
	index, err := strconv.Atoi(parts[1])
	if err != nil || index < 0 || index >= len(entries) {
		return pointer
	}
	e := entries[index]
	rest, value, at, file := parts[2:], e.value, e.place, f.path
	where := parts[0] + "." + e.name
	if parts[0] == variables && len(rest) > 0 && rest[0] == "value" {
		rest = rest[1:]
	}
	if template, ok := f.templates[e.name]; ok && parts[0] == "pools" && len(rest) > 0 &&
		rest[0] == "base_job_template" {
		rest, value, at, file, where = rest[1:], template.value, template.value.Place, template.path, ""
	}
	at, words := follow(value, rest, at)
	return strings.TrimSuffix(place(file, at)+": "+strings.TrimPrefix(where+words, "."), ": ")
}

// follow walks as far as it goes, and returns the last place it came to and how the path is spoken of.
func follow(v *yamldoc.Value, path []string, at yamldoc.Place) (yamldoc.Place, string) {
	var words strings.Builder
	for i, part := range path {
		word := "." + part
		var next *yamldoc.Value
		switch v.Kind {
		case yamldoc.Object:
			for _, m := range v.Names {
				if m.Name == part {
					next, at = m.Value, m.Place
				}
			}
		case yamldoc.Array:
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(v.Items) {
				next = v.Items[i]
				at, word = next.Place, itemName(i, next)
			}
		}
		words.WriteString(word)
		if next == nil {
			for _, rest := range path[i+1:] {
				words.WriteString("." + rest)
			}
			return at, words.String()
		}
		v = next
	}
	return at, words.String()
}
