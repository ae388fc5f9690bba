package templating

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Schema is a compiled JSON Schema (draft 2020-12 unless it says otherwise): immutable, shared by all goroutines.
type Schema struct {
	compiled *jsonschema.Schema
	bound    *schemaBound
	hidden   map[string]bool // members whose values no message tells
}

// schemaURL is where a schema pretends to live. Nothing can be loaded from there or from anywhere.
const schemaURL = "berth:///schema"

// CompileSchema prepares a schema, for job variables or for the parameters of a deployment. A schema that is not well formed, or with a
// $ref that leaves the document, is refused with Problems whose pointers begin at the schema.
func CompileSchema(doc any) (*Schema, error) {
	doc, err := value.Normalize(doc)
	if err != nil {
		return nil, Problems{problemf(CodeSchema, "", "%v", err)}
	}
	bound, problems := checkSchemaDocument(doc)
	if len(problems) > 0 {
		return nil, problems
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
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

func schemaProblems(err error) Problems {
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		var validation *jsonschema.ValidationError
		if errors.As(invalid.Err, &validation) {
			return validationProblems(validation, CodeSchema, "not a well-formed JSON Schema: ")
		}
	}
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return Problems{problemf(CodeRef, "", "%q leaves the document; nothing outside of it is read", load.URL)}
	}
	text := strings.ReplaceAll(err.Error(), schemaURL, "")
	return Problems{problemf(CodeSchema, "", "not a well-formed JSON Schema: %s", text)}
}

// Validate checks a value. What is wrong comes back as Problems with pointers that begin at the value.
func (s *Schema) Validate(v any) error {
	v, err := value.Normalize(v)
	if err != nil {
		return Problems{problemf(CodeParameters, "", "%v", err)}
	}
	return s.validate(v, CodeParameters).errorOrNil()
}

func (s *Schema) validate(v any, code string) Problems {
	if !s.bound.allows(v) {
		return Problems{problemf(CodeLimit, "", "is too complex for its schema: validating it takes more than %d steps", maxApplications)}
	}
	err := s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	var validation *jsonschema.ValidationError
	if !errors.As(err, &validation) {
		return Problems{problemf(code, "", "%v", err)}
	}
	if len(s.hidden) > 0 {
		conceal(validation, s.hidden)
	}
	return validationProblems(validation, code, "")
}

// validationProblems flattens the tree that the library returns into one problem for each place, in an order of its own: the library goes over
// objects as they come.
func validationProblems(err *jsonschema.ValidationError, code, prefix string) Problems {
	leaves := validationLeaves(err, nil)
	slices.SortFunc(leaves, compareLeaves)
	var problems Problems
	for _, leaf := range slices.CompactFunc(leaves, func(a, b validationLeaf) bool { return compareLeaves(a, b) == 0 }) {
		if len(problems) == maxProblems {
			break
		}
		pointer := ""
		for _, step := range leaf.at {
			pointer = value.Pointer(pointer, step)
		}
		problems = append(problems, problemf(code, pointer, "%s%s", prefix, leaf.text))
	}
	return problems
}

type validationLeaf struct {
	at   []string
	text string
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
		return append(leaves, validationLeaf{at: err.InstanceLocation, text: explain(err.ErrorKind)})
	}
	for _, cause := range err.Causes {
		leaves = validationLeaves(cause, leaves)
	}
	return leaves
}

// alternatives says in one sentence why none of several schemas fits: the types wanted, or what the alternative that takes the type
// at hand objects to.
func alternatives(err *jsonschema.ValidationError) (validationLeaf, bool) {
	var types []string
	var got string
	var others []validationLeaf
	for _, cause := range err.Causes {
		first := len(others)
		for _, leaf := range typedLeaves(cause, nil) {
			if wrong, ok := leaf.ErrorKind.(*kind.Type); ok && len(leaf.InstanceLocation) == len(err.InstanceLocation) {
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
		return validationLeaf{at: err.InstanceLocation, text: explain(&kind.Type{Got: got, Want: types})}, true
	case len(others) == 1:
		return others[0], true
	case len(others) > 1:
		return validationLeaf{at: err.InstanceLocation, text: "fits none of the alternatives: " + listed(others, func(l validationLeaf) string { return l.text }, "; or ")}, true
	default:
		return validationLeaf{}, false
	}
}

// typedLeaves are the innermost reasons why a schema does not fit.
func typedLeaves(err *jsonschema.ValidationError, leaves []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(err.Causes) == 0 {
		return append(leaves, err)
	}
	for _, cause := range err.Causes {
		leaves = typedLeaves(cause, leaves)
	}
	return leaves
}

// explain says what was expected, in the words of the rest of the messages.
func explain(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", strings.Join(withArticles(k.Want), " or "), value.Article(k.Got))
	case *kind.DependentRequired:
		return fmt.Sprintf("is missing %s, which goes with %q", quoteAll(k.Missing), short(k.Prop))
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.Not:
		return "must not be what the schema excludes"
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return fmt.Sprintf("fits alternatives %d and %d, one is allowed", k.Subschemas[0]+1, k.Subschemas[1]+1)
		}
		return "fits none of the alternatives"
	case *kind.PropertyNames:
		return fmt.Sprintf("has the name %q, which is not allowed", short(k.Property))
	case *kind.Enum:
		return fmt.Sprintf("must be one of %s, not %s", shortJSON(k.Want...), shortJSON(k.Got))
	case *kind.Const:
		return fmt.Sprintf("must be %s, not %s", shortJSON(k.Want), shortJSON(k.Got))
	case *kind.Required:
		return "is missing " + quoteAll(k.Missing)
	case *kind.AdditionalProperties:
		return "has unknown " + quoteAll(slices.Sorted(slices.Values(k.Properties)))
	case *kind.Minimum:
		return "must be at least " + trimRat(k.Want.RatString()) + ", not " + trimRat(k.Got.RatString())
	case *kind.Maximum:
		return "must be at most " + trimRat(k.Want.RatString()) + ", not " + trimRat(k.Got.RatString())
	case *kind.Pattern:
		return fmt.Sprintf("must match the pattern %s, which %q does not", k.Want, short(k.Got))
	case *kind.ExclusiveMinimum:
		return "must be more than " + trimRat(k.Want.RatString()) + ", not " + trimRat(k.Got.RatString())
	case *kind.ExclusiveMaximum:
		return "must be less than " + trimRat(k.Want.RatString()) + ", not " + trimRat(k.Got.RatString())
	case *kind.MultipleOf:
		return "must be a multiple of " + trimRat(k.Want.RatString()) + ", not " + trimRat(k.Got.RatString())
	case *kind.UniqueItems:
		return fmt.Sprintf("has the same item twice, at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Format:
		return fmt.Sprintf("must have the format %s, which %s has not", k.Want, shortJSON(k.Got))
	default:
		return explainSize(k)
	}
}

// explainSize is explain for how much of something there may be.
func explainSize(k jsonschema.ErrorKind) string {
	size := func(bound string, want, got int, what string) string {
		return fmt.Sprintf("must have at %s %d %s, not %d", bound, want, what, got)
	}
	switch k := k.(type) {
	case *kind.MinLength:
		return size("least", k.Want, k.Got, "characters")
	case *kind.MaxLength:
		return size("most", k.Want, k.Got, "characters")
	case *kind.MinItems:
		return size("least", k.Want, k.Got, "items")
	case *kind.MaxItems:
		return size("most", k.Want, k.Got, "items")
	case *kind.MinProperties:
		return size("least", k.Want, k.Got, "entries")
	case *kind.MaxProperties:
		return size("most", k.Want, k.Got, "entries")
	default:
		return k.LocalizedString(message.NewPrinter(language.English))
	}
}

func trimRat(s string) string { return short(s) }

func withArticles(kinds []string) []string {
	var result []string
	for i, kind := range kinds {
		if i > 0 && strings.Contains(strings.Join(kinds[:i], " "), kind) {
			continue
		}
		result = append(result, value.Article(kind))
	}
	return result
}

func quoteAll(names []string) string {
	return listed(names, func(name string) string { return strconv.Quote(short(name)) }, ", ")
}

func shortJSON(values ...any) string {
	return listed(values, func(v any) string {
		text, err := value.AppendJSON(nil, v)
		if err != nil {
			text = fmt.Append(nil, v)
		}
		return short(string(text))
	}, ", ")
}

// maxListed bounds how many things a message lists.
const maxListed = 20

// listed writes what a message lists, as far as anybody reads it.
func listed[T any](items []T, text func(T) string, between string) string {
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

// short keeps a message readable whatever was given.
func short(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:77], "") + "..."
}
