package templating

import (
	"slices"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/value"
)

// ChangeKind says what happened to a value.
type ChangeKind string

// The kinds of changes.
const (
	ChangeAdded    ChangeKind = "added"
	ChangeRemoved  ChangeKind = "removed"
	ChangeReplaced ChangeKind = "replaced"
)

// Change is one difference between two values.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Pointer is the JSON pointer of the place: in the value before for what was removed, else in the value
	// after.
	Pointer string `json:"pointer"`
	// Before is there unless it was added, After unless it was removed; both may be null.
	Before any `json:"before"`
	After  any `json:"after"`
}

// Diff lists the differences between two values in the form of DecodeJSON, in the order of their places.
// Lists whose items have names, as containers, volumes and env have, are compared name by name, so that a new
// entry in the middle is one change; of other lists, what is the same at both ends is left out and the rest
// is compared item by item. The result shares parts with the values.
func Diff(before, after any) []Change {
	var d differ
	d.values("", before, after)
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) values(at string, before, after any) {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			d.objects(at, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			d.lists(at, b, a)
			return
		}
	}
	if !value.Equal(before, after) {
		d.changes = append(d.changes, Change{Kind: ChangeReplaced, Pointer: at, Before: before, After: after})
	}
}

func (d *differ) added(at string, v any) {
	d.changes = append(d.changes, Change{Kind: ChangeAdded, Pointer: at, After: v})
}

func (d *differ) removed(at string, v any) {
	d.changes = append(d.changes, Change{Kind: ChangeRemoved, Pointer: at, Before: v})
}

func (d *differ) objects(at string, before, after map[string]any) {
	keys := slices.Concat(value.SortedKeys(before), value.SortedKeys(after))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		b, had := before[key]
		a, has := after[key]
		switch place := value.Pointer(at, key); {
		case had && has:
			d.values(place, b, a)
		case had:
			d.removed(place, b)
		default:
			d.added(place, a)
		}
	}
}

func (d *differ) lists(at string, before, after []any) {
	was, ok := byName(before)
	is, alsoOk := byName(after)
	if !ok || !alsoOk {
		d.items(at, before, after)
		return
	}
	for i, item := range before {
		if _, stays := is[itemName(item)]; !stays {
			d.removed(itemPointer(at, i), item)
		}
	}
	last, moved := -1, false
	for i, item := range after {
		j, stayed := was[itemName(item)]
		if !stayed {
			d.added(itemPointer(at, i), item)
			continue
		}
		moved = moved || j < last
		last = max(last, j)
		d.values(itemPointer(at, i), before[j], item)
	}
	if moved { // the order counts: later entries of env may refer to earlier ones
		d.changes = append(d.changes,
			Change{Kind: ChangeReplaced, Pointer: at, Before: names(before), After: names(after)})
	}
}

// items compares lists without names by their places, past what is the same at both ends.
func (d *differ) items(at string, before, after []any) {
	start := 0
	for start < min(len(before), len(after)) && value.Equal(before[start], after[start]) {
		start++
	}
	endBefore, endAfter := len(before), len(after)
	for endBefore > start && endAfter > start && value.Equal(before[endBefore-1], after[endAfter-1]) {
		endBefore--
		endAfter--
	}
	both := min(endBefore, endAfter)
	for i := start; i < both; i++ {
		d.values(itemPointer(at, i), before[i], after[i])
	}
	for i := both; i < endBefore; i++ {
		d.removed(itemPointer(at, i), before[i])
	}
	for i := both; i < endAfter; i++ {
		d.added(itemPointer(at, i), after[i])
	}
}

func itemPointer(at string, i int) string { return at + "/" + strconv.Itoa(i) }

// byName indexes a list whose items are objects that all have a distinct name.
func byName(list []any) (map[string]int, bool) {
	index := make(map[string]int, len(list))
	for i, item := range list {
		name := itemName(item)
		if _, twice := index[name]; twice || name == "" {
			return nil, false
		}
		index[name] = i
	}
	return index, true
}

func itemName(item any) string {
	object, _ := item.(map[string]any)
	name, _ := object["name"].(string) // what has none is no item with a name
	return name
}

func names(list []any) []any {
	result := make([]any, len(list))
	for i, item := range list {
		result[i] = itemName(item)
	}
	return result
}
