package templatefile

import (
	"cmp"
	"slices"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/locate"
)

// LocatedProblem is a problem with its place in the file.
type LocatedProblem struct {
	templating.Problem
	Location *location `json:"location,omitempty"`
	Place    locate.Place
}

type location struct {
	File string `json:"file"`
	locate.Place
}

// FileName is how a file is called in messages.
func FileName(file string) string {
	if file == "-" {
		return "<stdin>"
	}
	return file
}

func Locate(
	source *locate.Source,
	file string,
	problems []templating.Problem,
	find func(templating.Problem) locate.Place,
) []LocatedProblem {
	list := make([]LocatedProblem, 0, len(problems))
	for _, p := range problems {
		l := LocatedProblem{Problem: p, Place: find(p)}
		if l.Place.Line > 0 {
			l.Location = &location{File: file, Place: l.Place}
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b LocatedProblem) int {
		return cmp.Or(cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column))
	})
	return list
}

// Summary is the last line of a lint.
func Summary(style cli.Style, errors, warnings int) string {
	text := cli.Plural(errors, "error") + ", " + cli.Plural(warnings, "warning")
	switch {
	case errors > 0:
		return style.Failure(text)
	case warnings > 0:
		return style.Active(text)
	default:
		return style.Success(text)
	}
}
