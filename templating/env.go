package templating

import (
	"slices"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// envVariable is the one variable that is merged key by key instead of replaced.
const envVariable = "env"

// envEntry is one environment variable in normal form.
type envEntry struct {
	name string
	// value is what it is set to; source is a valueFrom instead. unset removes what a level below has set.
	value  any
	source map[string]any
	unset  bool
}

// envList is an environment in normal form: ordered, one entry a name.
type envList struct {
	entries []envEntry
	// index is where each name is, once there are many.
	index map[string]int
	// asList is true when some level was written as a list; then it prints as one.
	asList bool
	// present is false when no level said anything at all.
	present bool
}

// parseEnv reads one level, a mapping or a list. Null is a level that says nothing.
func parseEnv(v any, pointer string) (envList, Problems) {
	switch v := v.(type) {
	case nil:
		return envList{}, nil
	case map[string]any:
		return parseEnvMap(v, pointer)
	case []any:
		return parseEnvList(v, pointer)
	default:
		return envList{}, Problems{problem.Errorf(CodeType, pointer, "env must be a mapping or a list, not %s", value.Article(value.Kind(v)))}
	}
}

func parseEnvMap(object map[string]any, pointer string) (envList, Problems) {
	env := envList{present: true, entries: make([]envEntry, 0, len(object))}
	var problems Problems
	for _, name := range value.SortedKeys(object) {
		if len(problems) == problem.MaxProblems {
			break
		}
		entry := envEntry{name: name}
		switch v := object[name].(type) {
		case nil:
			entry.unset = true
		case map[string]any:
			if p := entry.readMember(v, value.Pointer(pointer, name)); p != nil {
				problems = append(problems, *p)
			}
		case []any:
			problems = append(problems, problem.Errorf(CodeType, value.Pointer(pointer, name), "environment variable %s must be a string, number or boolean, not a list", name))
		default:
			entry.value = v
		}
		env.entries = append(env.entries, entry) // an object has each name once
	}
	return env, problems
}

func parseEnvList(list []any, pointer string) (envList, Problems) {
	env := envList{present: true, asList: true, entries: make([]envEntry, 0, len(list))}
	var problems Problems
	for i, item := range list {
		if len(problems) == problem.MaxProblems {
			break
		}
		at := value.Pointer(pointer, strconv.Itoa(i))
		object, ok := item.(map[string]any)
		if !ok {
			problems = append(
				problems,
				problem.Errorf(CodeType, at, "an item of env must be an object with name and value, not %s",
					value.Article(value.Kind(item))),
			)
			continue
		}
		name, ok := object["name"].(string)
		if !ok || name == "" {
			problems = append(problems,
				problem.Errorf(CodeRequired, at+"/name", "an item of env needs a name"))
			continue
		}
		entry := envEntry{name: name}
		if p := entry.read(object, at); p != nil {
			problems = append(problems, *p)
		}
		env.set(entry)
	}
	return env, problems
}

// readMember reads the object that a mapping has for a name. Without value and valueFrom it is a value that is
// no text.
func (e *envEntry) readMember(object map[string]any, pointer string) *Problem {
	if p := e.read(object, pointer); p != nil {
		return p
	}
	_, isValue := object["value"]
	_, isSource := object["valueFrom"]
	if isValue || isSource {
		return nil
	}
	p := problem.Errorf(CodeType, pointer, "environment variable %s must be a string, number or boolean, not an object",
		e.name)
	return &p
}

// read takes value or valueFrom from an object; a value of null unsets, an absent one is empty, as in
// Kubernetes.
func (e *envEntry) read(object map[string]any, pointer string) *Problem {
	for _, key := range value.SortedKeys(object) {
		switch key {
		case "name":
		case "value":
			e.value = object[key]
			e.unset = e.value == nil
			if _, ok := value.Text(e.value); !ok {
				p := problem.Errorf(CodeType, pointer+"/value",
					"environment variable %s must be a string, number or boolean, not %s", e.name,
					value.Article(value.Kind(e.value)))
				return &p
			}
		case "valueFrom":
			source, ok := object[key].(map[string]any)
			if !ok && object[key] != nil {
				p := problem.Errorf(CodeType, pointer+"/valueFrom", "valueFrom must be an object, not %s",
					value.Article(value.Kind(object[key])))
				return &p
			}
			e.source = source
		default:
			p := problem.Errorf(CodeUnknownField, value.Pointer(pointer, key), "unknown field %q",
				key).SuggestNearest(key, []string{"name", "value", "valueFrom"})
			return &p
		}
	}
	if e.value != nil && e.value != "" && e.source != nil {
		p := problem.Errorf(CodeInvalid, pointer, "environment variable %s has both value and valueFrom", e.name).
			Suggest("remove one of the two")
		return &p
	}
	if e.value == nil && e.source == nil && !e.unset {
		e.value = ""
	}
	if e.source != nil && e.unset {
		e.unset = false // value: null beside a valueFrom says nothing
	}
	return nil
}

// set replaces the entry of the same name in place, or appends.
func (l *envList) set(entry envEntry) {
	if i := l.find(entry.name); i >= 0 {
		l.entries[i] = entry
		return
	}
	if l.index != nil {
		l.index[entry.name] = len(l.entries)
	}
	l.entries = append(l.entries, entry)
}

// manyEntries is from how many entries on a name is looked up in an index: people send a hundred thousand.
const manyEntries = 64

// find returns the place of a name, or -1.
func (l *envList) find(name string) int {
	if len(l.entries) < manyEntries {
		return slices.IndexFunc(l.entries, func(e envEntry) bool { return e.name == name })
	}
	if l.index == nil {
		l.index = make(map[string]int, 2*len(l.entries))
		for i, entry := range l.entries {
			l.index[entry.name] = i
		}
	}
	if i, ok := l.index[name]; ok {
		return i
	}
	return -1
}

// over returns the environment with a later level laid over it.
func (l envList) over(later envList) envList {
	if !l.present && len(l.entries) == 0 {
		return later
	}
	merged := envList{
		entries: append(make([]envEntry, 0, len(l.entries)+len(later.entries)), l.entries...),
		asList:  l.asList || later.asList,
		present: l.present || later.present,
	}
	for _, entry := range later.entries {
		merged.set(entry)
	}
	return merged
}

// asText is the environment with numbers and booleans as the text that a container gets.
func (l envList) asText() envList {
	l.entries = slices.Clone(l.entries)
	for i := range l.entries {
		if e := &l.entries[i]; e.value != nil {
			e.value, _ = value.Text(e.value) // entries hold only scalars
		}
	}
	return l
}

// unset returns the names that are set to null.
func (l envList) unset() []string {
	var names []string
	for _, entry := range l.entries {
		if entry.unset {
			names = append(names, entry.name)
		}
	}
	return names
}

// print writes the environment the way it was written: a mapping, or a list. What is unset is gone.
func (l envList) print() (any, bool) {
	if !l.present {
		return nil, false
	}
	if l.asList {
		items := make([]any, 0, len(l.entries))
		for _, entry := range l.entries {
			if !entry.unset {
				items = append(items, entry.item())
			}
		}
		return items, true
	}
	object := make(map[string]any, len(l.entries))
	for _, entry := range l.entries {
		switch {
		case entry.unset:
		case entry.source != nil:
			object[entry.name] = map[string]any{"valueFrom": entry.source}
		default:
			object[entry.name] = entry.value
		}
	}
	return object, true
}

func (e envEntry) item() map[string]any {
	if e.source != nil {
		return map[string]any{"name": e.name, "valueFrom": e.source}
	}
	return map[string]any{"name": e.name, "value": e.value}
}

// MergeEnv lays environments over each other, mapping or list, and returns the list that a container takes,
// with every literal value as text. It is nil where no level says anything. pointer returns the place of a
// level, for problems. An entry that another one names as $(NAME) stands before it, because a container expands
// only what came earlier; a single list is left in the order in which it was written.
func MergeEnv(levels []any, pointer func(level int) string) ([]any, Problems) {
	var merged envList
	var problems Problems
	for i, level := range levels {
		env, found := parseEnv(level, "")
		for _, p := range found {
			p.Pointer = pointer(i) + p.Pointer
			problems = append(problems, p)
		}
		merged = merged.over(env)
	}
	if !merged.present || len(problems) > 0 {
		return nil, problems
	}
	entries := make([]envEntry, 0, len(merged.entries))
	for _, entry := range merged.entries {
		if entry.unset {
			continue
		}
		if entry.source == nil {
			entry.value, _ = value.Text(entry.value) // parseEnv lets only scalars through
		}
		entries = append(entries, entry)
	}
	if _, isList := levels[0].([]any); !isList || len(levels) > 1 {
		entries = inOrderOfReferences(entries)
	}
	list := make([]any, 0, len(entries))
	for _, entry := range entries {
		list = append(list, entry.item())
	}
	return list, problems
}
