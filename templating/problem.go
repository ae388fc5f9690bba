package templating

import "github.com/berth-dev/berth/templating/internal/problem"

// Problem is one error or warning about a template or its values, with its place.
type Problem = problem.Problem

// Problems is an error that holds everything that is wrong.
type Problems = problem.Problems

// Severity says whether a problem stops a save.
type Severity = problem.Severity

// The severities.
const (
	SeverityError   = problem.SeverityError
	SeverityWarning = problem.SeverityWarning
)

// Codes of problems: stable words that scripts and the UI may branch on.
const (
	CodeSyntax       = problem.CodeSyntax
	CodeUnknownField = problem.CodeUnknownField
	CodeType         = problem.CodeType
	CodeRequired     = problem.CodeRequired
	CodeInvalid      = problem.CodeInvalid
	CodeEngine       = problem.CodeEngine
	CodeSchema       = problem.CodeSchema
	CodeRef          = problem.CodeRef
	CodeDefault      = problem.CodeDefault
	CodeReserved     = problem.CodeReserved
	CodeUndeclared   = problem.CodeUndeclared
	CodeUnused       = problem.CodeUnused
	CodeFunction     = problem.CodeFunction
	CodeFrozen       = problem.CodeFrozen
	CodeVariable     = problem.CodeVariable
	CodeUnknown      = problem.CodeUnknown
	CodeStored       = problem.CodeStored
	CodeEnvironment  = problem.CodeEnvironment
	CodeBlock        = problem.CodeBlock
	CodeRender       = problem.CodeRender
	CodeLimit        = problem.CodeLimit
	CodeImport       = problem.CodeImport
	CodeRisk         = problem.CodeRisk
	CodeReference    = problem.CodeReference
	CodeParameters   = problem.CodeParameters
)

// AsProblems returns the problems that an error holds. Any other error becomes one problem without a place.
func AsProblems(err error) Problems { return problem.AsProblems(err) }

// Nearest returns the candidate that a misspelt name most likely means, or "" when none is near. Of several
// equally near ones it is the first in alphabetical order.
func Nearest(name string, candidates []string) string { return problem.Nearest(name, candidates) }
