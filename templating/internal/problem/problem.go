// Package problem is how the template language reports errors and warnings: a code that scripts can branch
// on, the JSON pointer of the place, line and column inside a string, a message and a suggestion.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// MaxProblems bounds how many problems of one kind are reported.
const MaxProblems = 100

// Severity says whether a problem stops a save.
type Severity string

// The severities there are.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Codes of problems: stable words that scripts and the UI may branch on.
const (
	CodeSyntax       = "syntax"           // not YAML or JSON, or a template that does not parse
	CodeUnknownField = "unknown_field"    // a field that does not exist
	CodeType         = "type"             // a value of the wrong type
	CodeRequired     = "required"         // something that must be there is not
	CodeInvalid      = "invalid"          // a value that is not allowed
	CodeEngine       = "unknown_engine"   // no such engine
	CodeSchema       = "schema"           // the variables are not a well-formed schema
	CodeRef          = "schema_ref"       // a $ref that leaves the document
	CodeDefault      = "default"          // a default that its own schema refuses
	CodeReserved     = "reserved_name"    // a variable name that cannot be used
	CodeUndeclared   = "undeclared"       // a reference to something that is not declared
	CodeUnused       = "unused"           // a variable that nothing refers to
	CodeFunction     = "function"         // a function that is not allowed or does not exist
	CodeFrozen       = "frozen"           // an override of a frozen value
	CodeVariable     = "variable"         // a job variable that its schema refuses
	CodeUnknown      = "unknown_variable" // a job variable that is not declared
	CodeStored       = "stored_variable"  // a stored variable that does not exist
	CodeEnvironment  = "environment"      // a worker environment variable that may not be read
	CodeBlock        = "block"            // a block reference, which does not exist here
	CodeRender       = "render"           // an action failed
	CodeLimit        = "limit"            // a bound was reached
	CodeImport       = "import"           // means something else here than where the template came from
	CodeRisk         = "risk"             // valid, but likely to hurt
	CodeReference    = "reference"        // a reference to an object that a Job may not have
	CodeParameters   = "parameters"       // parameters that their schema refuses
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	// Pointer is the JSON pointer (RFC 6901) of the place, from the root of the template, or of the values
	// given.
	Pointer string `json:"pointer"`
	// Line and Column count from 1 inside the string at Pointer, in runes; 0 where the whole value is meant.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Message says what is wrong, Suggestion what to write instead.
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"`
	// Excerpt is the source line that Line and Column point into.
	Excerpt string `json:"excerpt,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Pointer != "" {
		b.WriteString(p.Pointer)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Suggestion != "" {
		b.WriteString(" (" + p.Suggestion + ")")
	}
	return b.String()
}

// Problems is an error that holds everything that is wrong at once.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, 0, len(p))
	for _, problem := range p {
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n")
}

// ErrorOrNil keeps an empty list from becoming a non-nil error.
func (p Problems) ErrorOrNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// AsProblems returns the problems that an error holds; an error of another kind becomes one problem without a
// place.
func AsProblems(err error) Problems {
	if err == nil {
		return nil
	}
	var problems Problems
	if errors.As(err, &problems) {
		return problems
	}
	return Problems{{Severity: SeverityError, Code: CodeInvalid, Message: err.Error()}}
}

func Errorf(code, pointer, format string, args ...any) Problem {
	return Problem{
		Severity: SeverityError,
		Code:     code,
		Pointer:  pointer,
		Message:  fmt.Sprintf(format, args...),
	}
}

func Warningf(code, pointer, format string, args ...any) Problem {
	p := Errorf(code, pointer, format, args...)
	p.Severity = SeverityWarning
	return p
}

func (p Problem) Suggest(format string, args ...any) Problem {
	p.Suggestion = fmt.Sprintf(format, args...)
	return p
}

// SetPlace sets line, column and excerpt from an offset of the string at the pointer.
func (p *Problem) SetPlace(leaf string, offset int) {
	p.Line, p.Column = value.Position(leaf, offset)
	p.Excerpt = Excerpt(leaf, p.Line)
}

// SuggestNearest suggests the candidate that is close enough to be what was meant.
func (p Problem) SuggestNearest(name string, candidates []string) Problem {
	if match := Nearest(name, candidates); match != "" {
		p.Suggestion = fmt.Sprintf("did you mean %q?", match)
	}
	return p
}

// Compare orders problems by pointer, then line and column; what is said of one place by its words.
func Compare(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
}

// SplitPointer cuts the first step off a pointer.
func SplitPointer(pointer string) (first, rest string) {
	first, rest, found := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	if found {
		rest = "/" + rest
	}
	return unescaped(first), rest
}

// PointerSteps takes a JSON pointer apart; that of the whole has no steps.
func PointerSteps(pointer string) []string {
	path, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil
	}
	steps := strings.Split(path, "/")
	for i, step := range steps {
		steps[i] = unescaped(step)
	}
	return steps
}

// unescaped reads one step of a JSON pointer.
func unescaped(step string) string {
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}
