package berthfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/yamldoc"
)

func place(file string, line int) string {
	if file == "-" {
		file = "standard input"
	}
	if file == "" || line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// Locate says where in the files that is which a JSON pointer into the request points at: file, line, and the path as
// the author knows it. A pointer that leads nowhere is given back.
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
	rest, value, line, file := parts[2:], e.value, e.line, f.path
	names := []string{parts[0], e.name}
	if parts[0] == variables && len(rest) > 0 && rest[0] == "value" {
		rest = rest[1:]
	}
	if template, ok := f.templates[e.name]; ok && parts[0] == "pools" && len(rest) > 0 && rest[0] == "base_job_template" {
		rest, value, line, file, names = rest[1:], template.value, template.value.Line, template.path, nil
	}
	line = follow(value, rest, line)
	return strings.TrimSuffix(place(file, line)+": "+strings.Join(append(names, rest...), "."), ": ")
}

// follow walks as far as it goes and returns the last line it came to.
func follow(v *yamldoc.Value, path []string, line int) int {
	for _, part := range path {
		var next *yamldoc.Value
		switch v.Kind {
		case yamldoc.Object:
			for _, m := range v.Names {
				if m.Name == part {
					next, line = m.Value, m.Line
				}
			}
		case yamldoc.Array:
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(v.Items) {
				next = v.Items[i]
				line = next.Line
			}
		}
		if next == nil {
			return line
		}
		v = next
	}
	return line
}
