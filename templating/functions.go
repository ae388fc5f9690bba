package templating

import (
	"cmp"
	"slices"

	"github.com/berth-dev/berth/templating/internal/function"
)

// FunctionDoc describes one function of the gotemplate engine.
type FunctionDoc struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	// Usage is the function with its arguments, as it is written.
	Usage string `json:"usage"`
	Doc   string `json:"doc"`
	// Sprig is true for what sprig has, and does what that does.
	Sprig bool `json:"sprig"`
}

// FunctionAlias is a second name of a function.
type FunctionAlias struct{ Alias, Name string }

// FunctionAliases lists the second names of functions, sorted.
func FunctionAliases() []FunctionAlias {
	var list []FunctionAlias
	for alias, name := range function.Aliases() {
		list = append(list, FunctionAlias{alias, name})
	}
	slices.SortFunc(list, func(a, b FunctionAlias) int { return cmp.Compare(a.Alias, b.Alias) })
	return list
}

// ExcludedFunction is a function that people know and that is not here.
type ExcludedFunction struct{ Name, Reason string }

// Functions lists the functions of the gotemplate engine by group and name, without aliases.
func Functions() []FunctionDoc {
	var docs []FunctionDoc
	for _, f := range function.All() {
		if !f.Alias {
			docs = append(docs,
				FunctionDoc{Name: f.Name, Group: f.Group, Usage: f.Usage, Doc: f.Doc, Sprig: f.Sprig})
		}
	}
	slices.SortFunc(
		docs,
		func(a, b FunctionDoc) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name)) },
	)
	return docs
}

// ExcludedFunctions lists what is left out of sprig and of text/template, with the reason.
func ExcludedFunctions() []ExcludedFunction {
	var list []ExcludedFunction
	for name, reason := range function.Excluded() {
		list = append(list, ExcludedFunction{Name: name, Reason: reason})
	}
	slices.SortFunc(list, func(a, b ExcludedFunction) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
