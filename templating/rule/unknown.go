package rule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/berth-dev/berth/templating/manifest"
)

// Unknown is a value of the Job that only a worker gives. An expression whose result depends on one is neither
// true nor false: the worker decides.
type Unknown struct {
	// Path leads to the value from the root of the Job: keys of objects and indexes of lists. The last step may
	// be More. An empty path is the whole Job.
	Path []string
	// Name says in a word what it is, for messages.
	Name string
}

// More is the step to items that a list may have beside the ones that are known.
const More = "-"

// UnknownJob is a Job that cannot be made where the rules are evaluated.
func UnknownJob() []Unknown { return []Unknown{{Name: "the whole Job"}} }

// UnknownOf lists the defaults of the worker in a Job that the server has finished.
func UnknownOf(f *manifest.Finished) []Unknown {
	var found []Unknown
	if f.FromWorker.Namespace {
		found = append(found, Unknown{Path: []string{"metadata", "namespace"}, Name: "namespace"})
	}
	if f.FromWorker.ServiceAccount {
		found = append(found, Unknown{
			Path: []string{"spec", "template", "spec", "serviceAccountName"}, Name: "ServiceAccount",
		})
	}
	return found
}

// overlay is values by their place in a tree, of which it makes another one.
type overlay struct {
	value    any            // in place of this one; nil: none. An unknown value is a *types.Unknown
	more     *types.Unknown // items beside the known ones
	children map[string]*overlay
}

// overlayOf gives each unknown value an id from 1, by which its name is found again.
func overlayOf(unknowns []Unknown) *overlay {
	root := &overlay{}
	for i, u := range unknowns {
		value := types.NewUnknown(int64(i+1), nil)
		if last := len(u.Path) - 1; last >= 0 && u.Path[last] == More {
			root.at(u.Path[:last]).more = value
			continue
		}
		root.set(u.Path, value)
	}
	return root
}

func (o *overlay) set(path []string, value any) { o.at(path).value = value }

// at is the overlay of a place.
func (o *overlay) at(path []string) *overlay {
	for _, step := range path {
		if o.children == nil {
			o.children = map[string]*overlay{}
		}
		if o.children[step] == nil {
			o.children[step] = &overlay{}
		}
		o = o.children[step]
	}
	return o
}

// over returns a tree with the overlay's values in it. What it changes it copies.
func (o *overlay) over(node any) any {
	if o.value != nil {
		return o.value
	}
	if list, ok := node.([]any); ok || o.more != nil {
		return o.overList(list)
	}
	object, _ := node.(map[string]any)
	known := maps.Clone(object)
	if known == nil {
		known = map[string]any{}
	}
	unknown := map[string]*types.Unknown{}
	for key, child := range o.children {
		if u, ok := child.value.(*types.Unknown); ok {
			unknown[key] = u
			continue
		}
		known[key] = child.over(known[key])
	}
	if len(unknown) == 0 {
		return known
	}
	return partialObject{
		Mapper: types.NewStringInterfaceMap(types.DefaultTypeAdapter, known), known: known, unknown: unknown,
	}
}

func (o *overlay) overList(list []any) any {
	list = slices.Clone(list)
	for key, child := range o.children {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(list) {
			list[i] = child.over(list[i])
		}
	}
	if o.more != nil {
		list = append(list, o.more)
	}
	return list
}

// partialObject is an object some of whose fields are unknown, whether they are there or not.
type partialObject struct {
	traits.Mapper
	known   map[string]any
	unknown map[string]*types.Unknown
}

func (o partialObject) field(key ref.Val) *types.Unknown {
	name, _ := key.(types.String)
	return o.unknown[string(name)]
}

// Find returns a field, which may be unknown.
func (o partialObject) Find(key ref.Val) (ref.Val, bool) {
	if u := o.field(key); u != nil {
		return u, true
	}
	return o.Mapper.Find(key)
}

// Get is Find for a field that must be there.
func (o partialObject) Get(key ref.Val) ref.Val {
	if u := o.field(key); u != nil {
		return u
	}
	return o.Mapper.Get(key)
}

// Contains says whether there is a field, which may be unknown.
func (o partialObject) Contains(key ref.Val) ref.Val {
	if u := o.field(key); u != nil {
		return u
	}
	return o.Mapper.Contains(key)
}

// Equal is unknown: it would need all fields.
func (o partialObject) Equal(ref.Val) ref.Val { return o.all() }

// Size is unknown: a field may be there or not.
func (o partialObject) Size() ref.Val { return o.all() }

func (o partialObject) all() *types.Unknown {
	var all *types.Unknown
	for _, u := range o.unknown {
		all = types.MergeUnknowns(all, u)
	}
	return all
}

// dependsOn names what an unknown result depends on.
func dependsOn(result *types.Unknown, unknowns []Unknown) string {
	var names []string
	for _, id := range result.IDs() {
		if i := int(id) - 1; i >= 0 && i < len(unknowns) && !slices.Contains(names, unknowns[i].Name) {
			names = append(names, unknowns[i].Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// knownFields are the fields of an object whose values are known.
func knownFields(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case partialObject:
		return v.known
	}
	return nil
}

// knownChild is a field of an object, itself or what stands for it: never nil.
func knownChild(object any, key string) any {
	if partial, ok := object.(partialObject); ok {
		if u := partial.unknown[key]; u != nil {
			return u
		}
	}
	if child := knownFields(object)[key]; child != nil {
		return child
	}
	return map[string]any{}
}
