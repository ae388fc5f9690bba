package value

import (
	"context"
	"fmt"
)

// Limits bound one render. They are far above what a real template needs and far below what hurts a process.
type Limits struct {
	// Fuel is the number of steps: nodes evaluated, loop turns, calls, and the values that functions look at.
	Fuel int64 `json:"fuel"`
	// Alloc is the number of bytes that functions and variables may build in all.
	Alloc int64 `json:"alloc"`
	// Output is the number of bytes of the rendered result.
	Output int64 `json:"output"`
	// Calls is how deep templates may invoke templates.
	Calls int `json:"calls"`
}

// DefaultLimits returns the limits that hold unless others are set.
func DefaultLimits() Limits {
	return Limits{Fuel: 500_000, Alloc: 16 << 20, Output: 1 << 20, Calls: 100}
}

// LimitError says which bound a render ran into. It ends the whole render.
type LimitError struct {
	// Limit is "fuel", "alloc", "output", "nesting" or "calls".
	Limit string
	// Max is the bound.
	Max int64
	// What was being made, where that helps.
	What string
}

func (e *LimitError) Error() string {
	what := e.What
	if what != "" {
		what = " (" + what + ")"
	}
	switch e.Limit {
	case "fuel":
		return fmt.Sprintf("the template needs more than %d steps%s", e.Max, what)
	case "alloc":
		return fmt.Sprintf("the template builds more than %d bytes of data%s", e.Max, what)
	case "output":
		return fmt.Sprintf("the rendered result has more than %d bytes%s", e.Max, what)
	default:
		return fmt.Sprintf("nested deeper than %d levels%s", e.Max, what)
	}
}

// Budget is what is left of the limits during one render. It belongs to one goroutine.
type Budget struct {
	ctx       context.Context
	limits    Limits
	fuel      int64
	alloc     int64
	output    int64
	untilPoll int64
}

// pollEvery is the number of steps after which the context is asked again.
const pollEvery = 1024

// NewBudget starts a budget; limits that are zero are the default ones.
func NewBudget(ctx context.Context, limits Limits) *Budget {
	d := DefaultLimits()
	if limits.Fuel > 0 {
		d.Fuel = limits.Fuel
	}
	if limits.Alloc > 0 {
		d.Alloc = limits.Alloc
	}
	if limits.Output > 0 {
		d.Output = limits.Output
	}
	if limits.Calls > 0 {
		d.Calls = limits.Calls
	}
	return &Budget{ctx: ctx, limits: d, fuel: d.Fuel, alloc: d.Alloc, output: d.Output, untilPoll: pollEvery}
}

// Spend pays for n steps and looks at the context now and then. It is called before the work is done.
func (b *Budget) Spend(n int64) error {
	if n > b.fuel || n < 0 {
		b.fuel = 0
		return &LimitError{Limit: "fuel", Max: b.limits.Fuel}
	}
	b.fuel -= n
	b.untilPoll -= n
	if b.untilPoll <= 0 {
		b.untilPoll = pollEvery
		if err := b.ctx.Err(); err != nil {
			return fmt.Errorf("render stopped: %w", context.Cause(b.ctx))
		}
	}
	return nil
}

// Alloc pays for n bytes that are about to be built, and for the steps of writing them.
func (b *Budget) Alloc(n int64) error {
	if n > b.alloc || n < 0 {
		b.alloc = 0
		return &LimitError{Limit: "alloc", Max: b.limits.Alloc}
	}
	b.alloc -= n
	return b.Spend(n >> 8)
}

// Output pays for n bytes of the result.
func (b *Budget) Output(n int64) error {
	if n > b.output || n < 0 {
		b.output = 0
		return &LimitError{Limit: "output", Max: b.limits.Output}
	}
	b.output -= n
	return b.Spend(n >> 8)
}

// Limits returns the limits that hold.
func (b *Budget) Limits() Limits { return b.limits }

// Used returns what has been spent so far.
func (b *Budget) Used() Limits {
	return Limits{
		Fuel:   b.limits.Fuel - b.fuel,
		Alloc:  b.limits.Alloc - b.alloc,
		Output: b.limits.Output - b.output,
	}
}

// Size is what a value weighs: its nodes, shared parts counted as often as they are reached, and its bytes
// when written.
type Size struct{ Nodes, Bytes int64 }

// Measure walks a value and pays a step for each node. It is what makes every later walk over the value safe:
// a value that passes is no deeper than MaxDepth and no larger than the fuel that was left, however its parts
// are shared.
func (b *Budget) Measure(v any) (Size, error) {
	var size Size
	err := b.measure(v, 0, &size)
	return size, err
}

func (b *Budget) measure(v any, depth int, size *Size) error {
	if depth > MaxDepth {
		return &LimitError{Limit: "nesting", Max: MaxDepth}
	}
	if err := b.Spend(1); err != nil {
		return err
	}
	size.Nodes++
	switch v := v.(type) {
	case string:
		size.Bytes += int64(len(v)) + 2
		return b.Spend(int64(len(v)) >> 8)
	case []any:
		size.Bytes += 2
		for _, item := range v {
			if err := b.measure(item, depth+1, size); err != nil {
				return err
			}
		}
	case map[string]any:
		size.Bytes += 2
		for key, item := range v {
			size.Bytes += int64(len(key)) + 4
			if err := b.measure(item, depth+1, size); err != nil {
				return err
			}
		}
	default:
		size.Bytes += 8
	}
	return nil
}

// bytesPerNode is roughly what a node of a tree costs in memory beyond its text.
const bytesPerNode = 48

// Copy measures a value, pays for the copy, and makes it.
func (b *Budget) Copy(v any) (any, error) {
	switch v.(type) {
	case map[string]any, []any:
	default:
		return v, nil
	}
	size, err := b.Measure(v)
	if err != nil {
		return nil, err
	}
	if err := b.Alloc(size.Nodes*bytesPerNode + size.Bytes); err != nil {
		return nil, err
	}
	return Copy(v), nil
}
