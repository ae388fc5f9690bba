// Package schema validates values against JSON Schema, for job variables and for parameters.
//
// The schema library reads no file and no URL, and because it cannot be interrupted, bound.go limits the work
// before it starts: the number of subschemas, the size of patterns, and how often subschemas are applied to
// one value. explain.go words its errors; conceal.go keeps the values of stored variables out of them.
package schema

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Schema is a compiled JSON Schema (draft 2020-12 unless it says otherwise): immutable, shared by all
// goroutines.
type Schema struct {
	compiled *jsonschema.Schema
	bound    *schemaBound
	hidden   map[string]bool // members whose values no message tells
}

// schemaURL is where a schema pretends to live. Nothing can be loaded from there or from anywhere.
const schemaURL = "berth:///schema"

// Compile prepares a schema, for job variables or for the parameters of a deployment. A schema that is
// not well formed, or with a $ref that leaves the document, is refused with Problems whose pointers begin at
// the schema.
func Compile(doc any) (*Schema, error) {
	doc, err := value.Normalize(doc)
	if err != nil {
		return nil, problem.Problems{problem.Errorf(problem.CodeSchema, "", "%v", err)}
	}
	bound, problems := checkSchemaDocument(doc)
	if len(problems) > 0 {
		return nil, problems
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat() // who writes format: date wants dates
	c.UseLoader(refusingLoader{})
	c.UseRegexpEngine(compileRegexp)
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, schemaProblems(err)
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, schemaProblems(err)
	}
	return &Schema{compiled: compiled, bound: bound}, nil
}

// refusingLoader keeps the schema library from reading files and URLs.
type refusingLoader struct{}

var errLeavesDocument = errors.New("leaves the document")

func (refusingLoader) Load(string) (any, error) { return nil, errLeavesDocument }

func schemaProblems(err error) problem.Problems {
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		var validation *jsonschema.ValidationError
		if errors.As(invalid.Err, &validation) {
			return validationProblems(validation, problem.CodeSchema, "invalid JSON Schema: ")
		}
	}
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return problem.Problems{
			problem.Errorf(problem.CodeRef, "",
				"%q refers to another document; only references within this schema work", load.URL),
		}
	}
	text := strings.ReplaceAll(err.Error(), schemaURL, "")
	return problem.Problems{problem.Errorf(problem.CodeSchema, "", "invalid JSON Schema: %s", text)}
}

// Validate checks a value. What is wrong comes back as Problems with pointers that begin at the value.
func (s *Schema) Validate(v any) error { return s.ValidateWithin(v, &Budget{}) }

// ValidateWithin is Validate as far as a budget lasts, which it spends.
func (s *Schema) ValidateWithin(v any, budget *Budget) error {
	v, err := value.Normalize(v)
	if err != nil {
		return problem.Problems{problem.Errorf(problem.CodeParameters, "", "%v", err)}
	}
	return s.CheckWithin(v, problem.CodeParameters, budget).ErrorOrNil()
}

// Steps is the work of checking a value: how often subschemas are applied to it and its parts.
func (s *Schema) Steps(v any) int { return s.bound.steps(v) }

// Check is Validate for a normalized value; the problems get a code.
func (s *Schema) Check(v any, code string) problem.Problems { return s.CheckWithin(v, code, &Budget{}) }

// CheckWithin is Check as far as a budget lasts, which it spends.
func (s *Schema) CheckWithin(v any, code string, budget *Budget) problem.Problems {
	if budget.Exhausted() {
		return problem.Problems{
			problem.Errorf(problem.CodeLimit, "",
				"validating all values of this request takes more than %d steps: send fewer at a time", maxTogether),
		}
	}
	steps := s.bound.steps(v)
	budget.spent += steps
	if steps >= maxApplications {
		return problem.Problems{
			problem.Errorf(problem.CodeLimit, "",
				"validating the value against its schema takes more than %d steps", maxApplications),
		}
	}
	err := s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	var validation *jsonschema.ValidationError
	if !errors.As(err, &validation) {
		return problem.Problems{problem.Errorf(code, "", "%v", err)}
	}
	if len(s.hidden) > 0 {
		conceal(validation, s.hidden)
	}
	return validationProblems(validation, code, "", slices.Collect(maps.Keys(s.compiled.Properties))...)
}

// validationProblems flattens the tree that the library returns into one problem for each place, sorted,
// because the library walks objects in map order. Of the whole value, an unknown name is said with the near one.
func validationProblems(err *jsonschema.ValidationError, code, prefix string, known ...string) problem.Problems {
	leaves := validationLeaves(err, nil)
	slices.SortFunc(leaves, compareLeaves)
	var problems problem.Problems
	for _, leaf := range slices.CompactFunc(leaves, func(a, b validationLeaf) bool { return compareLeaves(a, b) == 0 }) {
		if len(problems) == problem.MaxProblems {
			break
		}
		pointer := ""
		for _, step := range leaf.at {
			pointer = value.Pointer(pointer, step)
		}
		p := problem.Errorf(code, pointer, "%s%s", prefix, leaf.text)
		if len(leaf.at) == 0 && len(leaf.unknown) == 1 {
			p = p.SuggestNearest(leaf.unknown[0], known)
		}
		problems = append(problems, p)
	}
	return problems
}

type validationLeaf struct {
	at      []string
	text    string
	unknown []string // names of an object that its schema does not have
}

func compareLeaves(a, b validationLeaf) int {
	return cmp.Or(slices.Compare(a.at, b.at), strings.Compare(a.text, b.text))
}

func validationLeaves(err *jsonschema.ValidationError, leaves []validationLeaf) []validationLeaf {
	switch err.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if leaf, ok := alternatives(err); ok {
			return append(leaves, leaf)
		}
	}
	if len(err.Causes) == 0 {
		leaf := validationLeaf{at: err.InstanceLocation, text: explain(err.ErrorKind)}
		if more, ok := err.ErrorKind.(*kind.AdditionalProperties); ok {
			leaf.unknown = more.Properties
		}
		return append(leaves, leaf)
	}
	for _, cause := range err.Causes {
		leaves = validationLeaves(cause, leaves)
	}
	return leaves
}

// alternatives says in one sentence why none of several schemas fits: the types wanted, or what the
// alternative that takes the type at hand objects to.
func alternatives(err *jsonschema.ValidationError) (validationLeaf, bool) {
	var types []string
	var got string
	var others []validationLeaf
	for _, cause := range err.Causes {
		first := len(others)
		for _, leaf := range typedLeaves(cause, nil) {
			if wrong, ok := leaf.ErrorKind.(*kind.Type); ok &&
				len(leaf.InstanceLocation) == len(err.InstanceLocation) {
				types = append(types, wrong.Want...)
				got = wrong.Got
				continue
			}
			others = append(others, validationLeaf{at: leaf.InstanceLocation, text: explain(leaf.ErrorKind)})
		}
		slices.SortFunc(others[first:], compareLeaves)
	}
	switch {
	case len(others) == 0 && len(types) > 0:
		return validationLeaf{
			at:   err.InstanceLocation,
			text: explain(&kind.Type{Got: got, Want: types}),
		}, true
	case len(others) == 1:
		return others[0], true
	case len(others) > 1:
		return validationLeaf{
			at: err.InstanceLocation,
			text: "matches none of the alternatives: " + problem.List(others,
				func(l validationLeaf) string { return l.text }, "; or "),
		}, true
	default:
		return validationLeaf{}, false
	}
}

// typedLeaves are the innermost reasons why a schema does not fit.
func typedLeaves(
	err *jsonschema.ValidationError, leaves []*jsonschema.ValidationError,
) []*jsonschema.ValidationError {
	if len(err.Causes) == 0 {
		return append(leaves, err)
	}
	for _, cause := range err.Causes {
		leaves = typedLeaves(cause, leaves)
	}
	return leaves
}
