package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// node is a compiled part of a job_configuration.
type node interface {
	// render is false for "no value". An error of the leaf is reported to the render, so that all are found
	// at once.
	render(r *render) (any, bool)
}

// render is the state of one render of one program.
type render struct {
	values   *Values
	budget   *value.Budget
	problems problem.Problems
	stopped  bool
}

// fail notes an error of the leaf at pointer. A bound that was reached, or a context that ended, stops the
// whole render.
func (r *render) fail(pointer string, err error) {
	var problems problem.Problems
	if !errors.As(err, &problems) {
		code := problem.CodeRender
		var limit *LimitError
		if errors.As(err, &limit) {
			code, r.stopped = problem.CodeLimit, true
		}
		problems = problem.Problems{problem.Errorf(code, pointer, "%v", err)}
	}
	if len(problems) == 0 { // an engine may fail without a reason
		problems = problem.Problems{
			problem.Errorf(problem.CodeRender, pointer, "the engine failed without an error message"),
		}
	}
	r.problems = append(r.problems, problems...)
	if len(r.problems) >= problem.MaxProblems || r.problems[len(r.problems)-1].Code == problem.CodeLimit {
		r.stopped = true
	}
}

// program is a compiled tree with what it refers to.
type program struct {
	root       node
	references []Reference
}

func (p *program) References() []Reference { return p.references }

func (p *program) Render(ctx context.Context, v *Values) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &render{values: v, budget: v.Budget(ctx)}
	result, ok := p.root.render(r)
	if len(r.problems) > 0 {
		if ctx.Err() != nil { // what a leaf says then is nothing about the template
			return nil, fmt.Errorf("render stopped: %w", context.Cause(ctx))
		}
		return result, r.problems
	}
	if !ok {
		return nil, ErrNoValue
	}
	return result, nil
}

// ErrNoValue is what rendering a tree gives that is one placeholder without a value.
var ErrNoValue = errors.New("no value")

// compiler turns a tree into nodes; leaf is what the engine makes of a string.
type compiler struct {
	leaf     func(pointer, s string) node
	problems problem.Problems
}

// report notes problems, as far as anybody would read them.
func (c *compiler) report(problems problem.Problems) {
	c.problems = append(c.problems,
		problems[:min(len(problems), max(0, problem.MaxProblems-len(c.problems)))]...)
}

func (c *compiler) compile(v any, pointer string, depth int) node {
	if depth > value.MaxDepth {
		problems := problem.Problems{
			problem.Errorf(problem.CodeLimit, pointer, "nested deeper than %d levels", value.MaxDepth),
		}
		c.report(problems)
		return brokenNode{pointer, problems}
	}
	switch v := v.(type) {
	case map[string]any:
		object := &objectNode{keys: value.SortedKeys(v)}
		for _, key := range object.keys {
			object.items = append(object.items, c.compile(v[key], value.Pointer(pointer, key), depth+1))
		}
		return object
	case []any:
		list := make(listNode, len(v))
		for i, item := range v {
			list[i] = c.compile(item, value.Pointer(pointer, strconv.Itoa(i)), depth+1)
		}
		return list
	case string:
		return c.leaf(pointer, v)
	default:
		return literalNode{v}
	}
}

// literalNode is a scalar without placeholders.
type literalNode struct{ v any }

func (l literalNode) render(*render) (any, bool) { return l.v, true }

// brokenNode is a leaf that could not be compiled: whatever renders it meets the same problems, and the rest
// of the tree is still looked at.
type brokenNode struct {
	pointer  string
	problems problem.Problems
}

func (b brokenNode) render(r *render) (any, bool) {
	r.fail(b.pointer, b.problems)
	return nil, false
}

// objectNode keeps its keys as they are; what has no value loses its key.
type objectNode struct {
	keys  []string
	items []node
}

func (o *objectNode) render(r *render) (any, bool) {
	result := make(map[string]any, len(o.keys))
	for i, item := range o.items {
		if r.stopped {
			break
		}
		if v, ok := item.render(r); ok {
			result[o.keys[i]] = v
		}
	}
	return result, true
}

// listNode drops the items that have no value.
type listNode []node

func (l listNode) render(r *render) (any, bool) {
	result := make([]any, 0, len(l))
	for _, item := range l {
		if r.stopped {
			break
		}
		if v, ok := item.render(r); ok {
			result = append(result, v)
		}
	}
	return result, true
}
