package templating

import (
	"maps"
	"regexp"
	"slices"
)

// envReference matches $(NAME), which a container replaces by the value of an entry that stands before. A
// dollar before it makes it text.
var envReference = regexp.MustCompile(`\$+\(([^()\s]+)\)`)

// inOrderOfReferences moves each entry that a later one names as $(NAME) before it, and leaves all others where
// they are. Entries that name each other stay in their order.
func inOrderOfReferences(entries []envEntry) []envEntry {
	place := make(map[string]int, len(entries))
	references := false
	for i, entry := range entries {
		place[entry.name] = i
		text, _ := entry.value.(string)
		references = references || envReference.MatchString(text)
	}
	if !references {
		return entries
	}
	o := envOrder{entries: entries, place: place, done: make([]bool, len(entries))}
	for i := range entries {
		o.put(i)
	}
	return o.ordered
}

// envOrder is a walk over the entries, each after the ones that it names.
type envOrder struct {
	entries, ordered []envEntry
	place            map[string]int
	done             []bool
}

// put appends an entry and before it what it names. It keeps its own stack: people send long chains.
func (o *envOrder) put(first int) {
	type visit struct {
		entry int
		named []int
	}
	if o.done[first] {
		return
	}
	o.done[first] = true
	stack := []visit{{first, o.named(first)}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.named) == 0 {
			o.ordered = append(o.ordered, o.entries[top.entry])
			stack = stack[:len(stack)-1]
			continue
		}
		next := top.named[0]
		top.named = top.named[1:]
		if !o.done[next] {
			o.done[next] = true
			stack = append(stack, visit{next, o.named(next)})
		}
	}
}

// named are the entries that an entry refers to.
func (o *envOrder) named(i int) []int {
	text, _ := o.entries[i].value.(string)
	found := map[int]bool{}
	for _, match := range envReference.FindAllStringSubmatch(text, -1) {
		dollars := len(match[0]) - len(match[1]) - len("()")
		if at, ok := o.place[match[1]]; ok && dollars%2 == 1 {
			found[at] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
