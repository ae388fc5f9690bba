package engine

import (
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// ReferenceKind says where a reference takes its value from.
type ReferenceKind string

// The kinds of references.
const (
	// ReferenceVariable is a job variable.
	ReferenceVariable ReferenceKind = "variable"
	// ReferenceContext is the run at hand, under ctx.
	ReferenceContext ReferenceKind = "context"
	// ReferenceStored is a stored variable, berth.variables.NAME.
	ReferenceStored ReferenceKind = "stored"
	// ReferenceEnvironment is the worker's environment, $NAME.
	ReferenceEnvironment ReferenceKind = "environment"
	// ReferenceBlock is a block document, which other systems have and Berth has not.
	ReferenceBlock ReferenceKind = "block"
	// ReferenceAll is every variable at once, as `{{ toJson . }}` makes it.
	ReferenceAll ReferenceKind = "all"
)

// Reference is one place of a program that takes a value from outside.
type Reference struct {
	Kind ReferenceKind `json:"kind"`
	// Name is the reference as it is written: image, people[0].name, ctx.run.id, $HOME.
	Name string `json:"name"`
	// Pointer is the JSON pointer of the string that the reference is in.
	Pointer string `json:"pointer"`
	// Action is true where it is written `.name` in an action rather than `name` in a placeholder.
	Action bool `json:"action,omitempty"`
	// root is the declared thing, path the way into it.
	root string
	path []string
	// leaf and offset are the place inside the string. Lines are only counted when something is wrong there.
	leaf   string
	offset int
}

// Root is the variable, stored variable or environment variable that the reference begins at.
func (r Reference) Root() string { return r.root }

// Position is the line and the column inside the string at Pointer, from 1, in runes.
func (r Reference) Position() (line, column int) { return value.Position(r.leaf, r.offset) }

// Place gives a problem the place of the reference inside its string.
func (r Reference) Place(p *problem.Problem) { p.SetPlace(r.leaf, r.offset) }

// Path is the way from the root into its value.
func (r Reference) Path() []string { return r.path }

// ContextRoot is the root of references to the run at hand.
const ContextRoot = "ctx"

const (
	storedPrefix       = "berth.variables."
	storedPrefixLegacy = "prefect.variables."
	blockPrefix        = "prefect.blocks."
)

// ParseReference reads the name of a placeholder. It is what engines build on, so that a name means the same
// in all of them.
func ParseReference(name string) Reference {
	r := Reference{Name: name}
	switch {
	case strings.HasPrefix(name, "$"):
		r.Kind, r.root = ReferenceEnvironment, name[1:]
		return r
	case strings.HasPrefix(name, blockPrefix):
		r.Kind, r.root = ReferenceBlock, name[len(blockPrefix):]
		return r
	case strings.HasPrefix(name, storedPrefix):
		r.Kind = ReferenceStored
		name = name[len(storedPrefix):]
	case strings.HasPrefix(name, storedPrefixLegacy):
		r.Kind = ReferenceStored
		name = name[len(storedPrefixLegacy):]
	default:
		r.Kind = ReferenceVariable
	}
	steps := splitPath(name)
	r.root, r.path = steps[0], steps[1:]
	if r.Kind == ReferenceVariable && r.root == ContextRoot {
		r.Kind = ReferenceContext
	}
	return r
}

// Resolve looks the reference up. It is false where there is no value; an error is a *Problem at the
// reference's place.
func (r *Reference) Resolve(v *Values) (any, bool, error) {
	switch r.Kind {
	case ReferenceVariable:
		root, ok := v.Variables[r.root]
		if !ok || len(r.path) == 0 {
			return root, ok, nil
		}
		found, ok := value.Walk(root, r.path)
		return found, ok, nil
	case ReferenceContext:
		found, ok := value.Walk(v.Context, r.path)
		return found, ok, nil
	case ReferenceStored:
		root, ok := v.Stored[r.root]
		if !ok {
			return nil, false, r.problem(problem.CodeStored, "stored variable %q does not exist", r.root)
		}
		found, ok := value.Walk(root, r.path)
		return found, ok, nil
	case ReferenceEnvironment:
		text, ok := v.Env[r.root]
		if !ok {
			p := r.problem(problem.CodeEnvironment,
				"the worker does not share its environment variable %q with templates", r.root)
			p[0].Suggestion = "start the worker with --template-env " + r.root
			return nil, false, p
		}
		return text, true, nil
	default:
		return nil, false, r.problem(problem.CodeBlock, "%s: blocks are not supported", r.Name)
	}
}

func (r *Reference) problem(code, format string, args ...any) problem.Problems {
	p := problem.Errorf(code, r.Pointer, format, args...)
	p.SetPlace(r.leaf, r.offset)
	return problem.Problems{p}
}

// at places a reference that was found at an offset of a leaf.
func (r Reference) at(pointer, leaf string, offset int) Reference {
	r.Pointer, r.leaf, r.offset = pointer, leaf, offset
	return r
}
