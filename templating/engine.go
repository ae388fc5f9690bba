package templating

import (
	"context"

	"github.com/berth-dev/berth/templating/engine"
)

// The interface between templates and engines is package engine. The names below are what other packages need
// of it.
type (
	// Engine turns a job_configuration into a Program.
	Engine = engine.Engine
	// Program is a compiled tree.
	Program = engine.Program
	// Declarations is what an engine may know of a template before any value is given.
	Declarations = engine.Declarations
	// Values is what a Program is rendered with.
	Values = engine.Values
	// Leaf is a string of a tree as an engine has compiled it.
	Leaf = engine.Leaf
	// LeafCompiler makes a Leaf of a string.
	LeafCompiler = engine.LeafCompiler
	// Reference is one place of a program that takes a value from outside.
	Reference = engine.Reference
	// ReferenceKind says where a reference takes its value from.
	ReferenceKind = engine.ReferenceKind
	// Limits bound one render.
	Limits = engine.Limits
	// Budget is what is left of the limits during a render.
	Budget = engine.Budget
	// LimitError says which bound a render ran into.
	LimitError = engine.LimitError
)

// The kinds of references.
const (
	ReferenceVariable    = engine.ReferenceVariable
	ReferenceContext     = engine.ReferenceContext
	ReferenceStored      = engine.ReferenceStored
	ReferenceEnvironment = engine.ReferenceEnvironment
	ReferenceBlock       = engine.ReferenceBlock
	ReferenceAll         = engine.ReferenceAll
)

// DefaultEngine is the engine of templates that name none.
const DefaultEngine = engine.DefaultEngine

// ErrNoValue is what rendering a tree gives that is one placeholder without a value.
var ErrNoValue = engine.ErrNoValue

// GoTemplateEngine is the default engine: placeholders, and Go template actions with a safe part of sprig.
func GoTemplateEngine() Engine { return engine.GoTemplateEngine() }

// PlaceholderEngine is the strict engine: placeholders and nothing else.
func PlaceholderEngine() Engine { return engine.PlaceholderEngine() }

// CompileTree compiles a tree for an engine that only defines what a string means.
func CompileTree(tree any, decl Declarations, compile LeafCompiler) (Program, error) {
	return engine.CompileTree(tree, decl, compile)
}

// CompilePlaceholders is the LeafCompiler of placeholders and nothing else.
func CompilePlaceholders(pointer, s string) (Leaf, []Reference, error) {
	return engine.CompilePlaceholders(pointer, s)
}

// ParseReference reads the name of a placeholder.
func ParseReference(name string) Reference { return engine.ParseReference(name) }

// DefaultLimits returns the limits that hold unless others are set.
func DefaultLimits() Limits { return engine.DefaultLimits() }

// NewBudget starts a budget; zero limits are the default ones. It belongs to one goroutine.
func NewBudget(ctx context.Context, limits Limits) *Budget { return engine.NewBudget(ctx, limits) }

// Text returns a scalar as it is written inside text. It is false for an object or a list.
func Text(v any) (string, bool) { return engine.Text(v) }

// ProblemAt is an error at a byte offset of the string at a pointer.
func ProblemAt(code, pointer, leaf string, offset int, format string, args ...any) Problem {
	return engine.ProblemAt(code, pointer, leaf, offset, format, args...)
}
