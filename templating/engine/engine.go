package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Engine turns a job_configuration into a Program. Engines hold no state: one value serves every template.
type Engine interface {
	// Name is what a template writes as its engine.
	Name() string
	// Compile checks and prepares a tree. What is wrong comes back as Problems with pointers that begin at
	// decl.Pointer, warnings among them; the program is nil only when there is nothing that could be
	// rendered.
	Compile(tree any, decl Declarations) (Program, error)
}

// Program is a compiled tree: immutable, shared by all goroutines.
type Program interface {
	// Render fills in values. The result shares nothing with the values or the program. What went wrong comes
	// back as Problems with pointers, beside what could be rendered, for a lint that wants to go on; a tree
	// that is one placeholder without a value gives ErrNoValue, and a context that ends its own error.
	Render(ctx context.Context, v *Values) (any, error)
	// References lists every place that takes a value from outside.
	References() []Reference
}

// Declarations is what an engine may know of a template before any value is given.
type Declarations struct {
	// Pointer is the JSON pointer of the tree.
	Pointer string
	// Variables are the names of the declared job variables, sorted.
	Variables []string
}

// Values is what a Program is rendered with, all in the form of DecodeJSON. A Program must not change any of
// it.
type Values struct {
	// Variables are the job variables after merging.
	Variables map[string]any
	// Context is the run at hand, as Context.Tree makes it; nil where no reference of the template leads
	// there.
	Context map[string]any
	// Stored holds the stored variables.
	Stored map[string]any
	// Env is the part of the worker's environment that may be read.
	Env map[string]string
	// Now is what the template language calls now: the run's scheduled time.
	Now time.Time
	// Seed is what generated ids are derived from.
	Seed uuid.UUID
	// Limits bound the render; zero fields mean the defaults.
	Limits Limits
	// budget is shared by the programs of one template.
	budget *value.Budget
}

// Limits bound one render; see DefaultLimits.
type Limits = value.Limits

// Budget is what is left of the limits during a render: engines pay from it before they work.
type Budget = value.Budget

// LimitError says which bound a render ran into.
type LimitError = value.LimitError

// DefaultLimits returns the limits that hold unless others are set.
func DefaultLimits() Limits { return value.DefaultLimits() }

// NewBudget starts a budget; limits that are zero are the default ones. It belongs to one goroutine.
func NewBudget(ctx context.Context, limits Limits) *Budget { return value.NewBudget(ctx, limits) }

// Charge returns the values with a budget that a render pays from. The caller can read from it what a render
// was charged, even one that failed.
func (v *Values) Charge(b *Budget) *Values {
	charged := *v
	charged.budget = b
	return &charged
}

// Budget returns the budget of the render: the one of the whole template if it runs as part of one, else a
// new one.
func (v *Values) Budget(ctx context.Context) *Budget {
	if v.budget != nil {
		return v.budget
	}
	return value.NewBudget(ctx, v.Limits)
}

// DefaultEngine is the engine of templates that name none.
const DefaultEngine = "gotemplate"
