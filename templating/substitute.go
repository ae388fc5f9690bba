package templating

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/berth-dev/berth/templating/internal/substitute"
	"github.com/berth-dev/berth/templating/internal/value"
)

// maxSubstitutions bounds the renders of one Substitute.
const maxSubstitutions = 32

// Substitute renders the template again with other values of the same form in place of all that people gave:
// job variables of deployment and run, parameters, tags and names. What the template itself gives a variable
// (its default, const, enum or frozen value) stays, as do the keys that its schema lists or that it reads.
// So what is in both results is the template's, and what differs came from a value: whatever the engine is,
// and however the value got there.
//
// It is false where no other values can be found with which the template renders, and for a Rendered that was
// made by hand.
func (r *Rendered) Substitute(ctx context.Context) (map[string]any, bool) {
	if r.compiled == nil {
		return nil, false
	}
	s := substitution{compiled: r.compiled, input: r.input, authored: r.compiled.authored()}
	configuration, err := s.render(ctx)
	if err == nil {
		return configuration, true
	}

	// Some value must have a certain form. The ones that must are found one by one, and changed less.
	s.alone = true
	s.gently = map[string]bool{}
	names := append(slices.Sorted(maps.Keys(s.given)), contextName)
	for _, name := range names {
		if s.renders++; s.renders > maxSubstitutions {
			return nil, false
		}
		s.only = name
		if _, err := s.render(ctx); err != nil {
			s.gently[name] = true
		}
	}
	s.alone = false
	configuration, err = s.render(ctx)
	return configuration, err == nil
}

// ReadsWorker is true where the result may depend on which worker rendered it.
func (r *Rendered) ReadsWorker() bool {
	return r.compiled != nil && slices.ContainsFunc(r.compiled.references, func(of Reference) bool {
		path := of.Path()
		return of.Kind == ReferenceEnvironment || of.Kind == ReferenceAll ||
			of.Kind == ReferenceContext && (len(path) == 0 || path[0] == "worker")
	})
}

// contextName stands for the values of ctx. No variable is called so.
const contextName = "ctx"

// substitution is the search for other values with which a template renders.
type substitution struct {
	compiled *Compiled
	input    Input
	authored authored
	// given are the variables to which people gave values.
	given map[string]bool
	// gently are those whose values are changed as little as possible.
	gently map[string]bool
	// alone changes the values of only.
	alone   bool
	only    string
	renders int
}

func (s *substitution) changes(name string) bool { return !s.alone || s.only == name }

// render renders the template with the other values.
func (s *substitution) render(ctx context.Context) (map[string]any, error) {
	c := s.compiled
	base, _ := c.merge(Layers{}, s.input.Stored, true)
	merged, problems := c.merge(s.input.Layers, s.input.Stored, true)
	if len(problems) > 0 {
		return nil, problems
	}
	s.given = map[string]bool{}
	for _, name := range value.SortedKeys(merged.variables) {
		v := merged.variables[name]
		if value.Equal(v, base.variables[name]) {
			continue
		}
		s.given[name] = true
		if s.changes(name) {
			merged.variables[name] = s.variable(name).Value(v, base.variables[name], c.property(name))
		}
	}
	if s.changes(envVariable) {
		merged.env = s.env(merged.env, base.env)
	}
	values, err := c.values(ctx, s.input, merged)
	if err != nil {
		return nil, err
	}
	if s.changes(contextName) {
		s.context(values)
	}
	return c.fill(ctx, values, merged.env)
}

// variable is the substitute for values of a variable, or of ctx.
func (s *substitution) variable(root string) substitute.Values {
	return substitute.Values{
		Words: s.authored.words, Keys: s.authored.keys[root], Gently: s.gently[root], Resolve: s.compiled.follow,
	}
}

func (s *substitution) env(env, base envList) envList {
	schema := s.compiled.property(envVariable)
	properties, _ := schema["properties"].(map[string]any)
	with := s.variable(envVariable)
	env.entries, env.index = slices.Clone(env.entries), nil
	for i := range env.entries {
		entry := &env.entries[i]
		var under envEntry
		if at := base.find(entry.name); at >= 0 {
			under = base.entries[at]
		}
		if entry.unset || under.name != "" && value.Equal(entry.item(), under.item()) {
			continue
		}
		s.given[envVariable] = true
		property, _ := properties[entry.name].(map[string]any)
		entry.value = with.Value(entry.value, under.value, property)
		if entry.source != nil {
			entry.source, _ = with.Value(entry.source, mapOrNil(under.source), property).(map[string]any)
		}
		if under.name == "" && property == nil {
			entry.name = with.Key(entry.name)
		}
	}
	return env
}

// context changes what of the run at hand its users choose.
func (s *substitution) context(values *Values) {
	values.Now = substitute.Time(values.Now)
	if values.Context == nil {
		return
	}
	with := s.variable(contextName)
	run, _ := values.Context["run"].(map[string]any)
	for _, key := range []string{"name", "scheduled_time", "tags", "parameters"} {
		run[key] = with.Value(run[key], nil, nil)
	}
	for of, keys := range map[string][]string{"deployment": {"name", "version"}, "queue": {"name"}} {
		object, _ := values.Context[of].(map[string]any)
		for _, key := range keys {
			object[key] = with.Value(object[key], nil, nil)
		}
	}
}

// authored is what the author of a template wrote in its actions and placeholders.
type authored struct {
	// words are texts in actions, such as "gpu" in {{ if eq .size "gpu" }}: a value that is one of them is the
	// template's choice.
	words map[string]bool
	// keys are the keys that the template reads of each variable.
	keys map[string]map[string]bool
}

// maxWords bounds the words of a template. With more of them, fewer values count as its choice.
const maxWords = 1_000

var (
	actionPattern = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	quotedPattern = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
)

func (c *Compiled) readAuthored() authored {
	a := authored{words: map[string]bool{}, keys: map[string]map[string]bool{}}
	a.readWords(c.template.JobConfiguration)
	for _, r := range c.references {
		root := r.Root()
		switch r.Kind {
		case ReferenceContext:
			root = contextName
		case ReferenceVariable:
		default:
			continue
		}
		if a.keys[root] == nil {
			a.keys[root] = map[string]bool{}
		}
		for _, step := range r.Path() {
			a.keys[root][step] = true
		}
	}
	return a
}

func (a authored) readWords(v any) {
	switch v := v.(type) {
	case string:
		for _, action := range actionPattern.FindAllString(v, -1) {
			for _, quoted := range quotedPattern.FindAllString(action, -1) {
				word, err := strconv.Unquote(quoted)
				if err == nil && len(word) > 1 && len(a.words) < maxWords {
					a.words[word] = true
				}
			}
		}
	case []any:
		for _, item := range v {
			a.readWords(item)
		}
	case map[string]any:
		for _, key := range value.SortedKeys(v) {
			a.readWords(v[key])
		}
	}
}
