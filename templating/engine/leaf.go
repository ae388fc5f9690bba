package engine

import (
	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// Leaf is a string of a tree as an engine has compiled it. It is immutable and shared by all goroutines.
type Leaf interface {
	// Render fills in values. It is false for "no value": the key is gone, the item of a list is dropped. An
	// error comes back as it is where it is Problems, and else as one problem at the leaf. Loops, calls and
	// whatever a leaf builds, also a text that becomes its result, are paid from b before they happen; what
	// the result weighs in the output is paid for, and the result copied, by whoever calls.
	Render(v *Values, b *Budget) (result any, ok bool, err error)
}

// LeafCompiler makes a Leaf of the string at a pointer, and lists what it refers to. What is wrong with it
// comes back as Problems; a warning among them needs a leaf beside it.
type LeafCompiler func(pointer, s string) (Leaf, []Reference, error)

// CompileTree compiles a tree for an engine that only has its own idea of what a string means: walking the
// tree, "no value", bounds and finding all problems at once is the same for all engines, and done here. Keys
// are never compiled.
func CompileTree(tree any, decl Declarations, compile LeafCompiler) (Program, error) {
	p := &program{}
	c := &compiler{}
	c.leaf = func(pointer, s string) node {
		leaf, references, err := compile(pointer, s)
		p.references = append(p.references, references...)
		problems := problem.AsProblems(err)
		if leaf == nil && len(problems) == 0 {
			problems = problem.Problems{
				problem.Errorf(problem.CodeSyntax, pointer,
					"the engine cannot compile this string and gives no reason"),
			}
		}
		c.report(problems)
		if leaf == nil {
			return brokenNode{pointer, problems}
		}
		return engineNode{pointer: pointer, leaf: leaf}
	}
	p.root = c.compile(tree, decl.Pointer, 0)
	return p, c.problems.ErrorOrNil()
}

// CompilePlaceholders is the LeafCompiler of placeholders and nothing else: what an engine falls back to.
func CompilePlaceholders(pointer, s string) (Leaf, []Reference, error) {
	parts := splitLeaf(pointer, s, findPlaceholders(s))
	return nativeLeaf{placeholderLeaf(pointer, parts)}, referencesOf(parts), nil
}

// engineNode runs the leaf of another engine.
type engineNode struct {
	pointer string
	leaf    Leaf
}

func (f engineNode) render(r *render) (any, bool) {
	if n, ours := f.leaf.(nativeLeaf); ours {
		return n.node.render(r)
	}
	if err := r.budget.Spend(1); err != nil {
		r.fail(f.pointer, err)
		return nil, false
	}
	v, ok, err := f.leaf.Render(r.values, r.budget)
	if err == nil && ok {
		v, err = outputCopy(r.budget, v)
	}
	if err != nil {
		r.fail(f.pointer, err)
		return nil, false
	}
	return v, ok
}

// nativeLeaf is a node as a Leaf.
type nativeLeaf struct{ node node }

func (n nativeLeaf) Render(v *Values, b *Budget) (any, bool, error) {
	r := &render{values: v, budget: b}
	result, ok := n.node.render(r)
	return result, ok, r.problems.ErrorOrNil()
}

// At places a reference at a byte offset of the string at a pointer.
func (r Reference) At(pointer, leaf string, offset int) Reference { return r.at(pointer, leaf, offset) }

// Problem is an error at the reference's place.
func (r *Reference) Problem(code, format string, args ...any) problem.Problem {
	return r.problem(code, format, args...)[0]
}

// Text is the value of the reference as it stands inside text: no value is the empty string, an object or a
// list is an error with its place.
func (r *Reference) Text(v *Values) (string, error) { return referenceText(r, v) }

// Text is a value as it stands inside text: strings as they are, numbers and booleans as JSON writes them,
// null as nothing. It is false for an object or a list.
func Text(v any) (string, bool) { return value.Text(v) }

// ProblemAt is an error at a byte offset of the string at a pointer.
func ProblemAt(code, pointer, leaf string, offset int, format string, args ...any) problem.Problem {
	p := problem.Errorf(code, pointer, format, args...)
	p.SetPlace(leaf, offset)
	return p
}
