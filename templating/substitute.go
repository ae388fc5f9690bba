package templating

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/internal/substitute"
	"github.com/berth-dev/berth/templating/internal/value"
)

// maxSubstitutions bounds the variables that are tried one by one.
const maxSubstitutions = 32

// Origin tells what of a rendering is the template's and what people gave: job variables of deployment and run,
// parameters, tags and names.
type Origin struct {
	compiled *Compiled
	input    Input
	authored authored
	// base is what the template alone gives, merged with what people gave.
	base, merged merged
	// gently are the variables whose values are changed as little as possible.
	gently map[string]bool
	// only is the one variable whose values are changed; empty means all.
	only string
}

// Origin is nil for a Rendered that was made by hand.
func (r *Rendered) Origin() *Origin {
	if r.compiled == nil {
		return nil
	}
	o := &Origin{compiled: r.compiled, input: r.input, authored: r.compiled.authored(), gently: map[string]bool{}}
	o.base, _ = r.compiled.merge(Layers{}, r.input.Stored, &r.input.Context)
	o.merged, _ = r.compiled.merge(r.input.Layers, r.input.Stored, &r.input.Context) // it has been rendered: there is no problem
	return o
}

// Substitute renders the template again with other values of the same form in place of all that people gave. What
// the template itself gives a variable (its default, const, enum or frozen value) stays, as do the keys that its
// schema lists or that it reads. So what is in both results is the template's, and what differs came from a value:
// whatever the engine is, and however the value got there.
//
// It is false where no other values can be found with which the template renders.
func (o *Origin) Substitute(ctx context.Context) (map[string]any, bool) {
	configuration, err := o.render(ctx)
	if err == nil {
		return configuration, true
	}

	// Some value must have a certain form. The ones that must are found one by one, and changed less.
	names := append(o.given(), contextName)
	if len(names) > maxSubstitutions {
		return nil, false
	}
	for _, o.only = range names {
		if _, err := o.render(ctx); err != nil {
			o.gently[o.only] = true
		}
	}
	o.only = ""
	configuration, err = o.render(ctx)
	return configuration, err == nil
}

// given are the variables to which people gave values, sorted.
func (o *Origin) given() []string {
	var names []string
	for _, name := range value.SortedKeys(o.merged.variables) {
		if !value.Equal(o.merged.variables[name], o.base.variables[name]) {
			names = append(names, name)
		}
	}
	if len(o.merged.env.entries) > 0 {
		names = append(names, envVariable)
	}
	return names
}

func (o *Origin) changes(name string) bool { return o.only == "" || o.only == name }

// render renders the template with the other values.
func (o *Origin) render(ctx context.Context) (map[string]any, error) {
	c := o.compiled
	changed := merged{variables: maps.Clone(o.merged.variables), env: o.merged.env, stored: o.merged.stored}
	for _, name := range o.given() {
		switch {
		case !o.changes(name):
		case name == envVariable:
			changed.env = o.env()
		default:
			v, base := o.merged.variables[name], o.base.variables[name]
			changed.variables[name] = o.variable(name).Value(v, base, c.property(name))
		}
	}
	values, err := c.values(ctx, o.input, changed)
	if err != nil {
		return nil, err
	}
	if o.changes(contextName) {
		o.context(values)
	}
	return c.fill(ctx, values, changed.env)
}

// ReadsWorker is true where the result may depend on which worker rendered it.
func (r *Rendered) ReadsWorker() bool { return r.compiled != nil && r.compiled.ReadsWorker() }

// ReadsWorker is true where the result of a render may depend on which worker does it.
func (c *Compiled) ReadsWorker() bool {
	return slices.ContainsFunc(c.references, func(of Reference) bool {
		path := of.Path()
		return of.Kind == ReferenceEnvironment || of.Kind == ReferenceAll ||
			of.Kind == ReferenceContext && (len(path) == 0 || path[0] == "worker")
	})
}

// contextName stands for the values of ctx. No variable is called so.
const contextName = "ctx"

// variable is the substitute for values of a variable, or of ctx.
func (o *Origin) variable(root string) substitute.Values {
	return substitute.Values{
		Words: o.authored.words[root], Keys: o.authored.keys[root], Gently: o.gently[root], Resolve: o.compiled.follow,
	}
}

func (o *Origin) env() envList {
	schema := o.compiled.property(envVariable)
	properties, _ := schema["properties"].(map[string]any)
	with := o.variable(envVariable)
	env, base := o.merged.env, o.base.env
	env.entries, env.index = slices.Clone(env.entries), nil
	for i := range env.entries {
		entry := &env.entries[i]
		var under envEntry
		if at := base.find(entry.name); at >= 0 {
			under = base.entries[at]
		}
		if entry.unset || under.name != "" && entry.equal(under) {
			continue
		}
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
func (o *Origin) context(values *Values) {
	if values.Context == nil {
		return
	}
	with := o.variable(contextName)
	run, _ := values.Context["run"].(map[string]any)
	for _, key := range []string{"name", "tags", "parameters"} {
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
	// words are texts in actions, by the variable that the action reads, such as "gpu" in
	// {{ if eq .size "gpu" }}: a value that is one of them is the template's choice.
	words map[string]map[string]bool
	// keys are the keys that the template reads of each variable.
	keys map[string]map[string]bool
	// text is all that is written in job_configuration.
	text string
}

// maxWords bounds the words of a variable. With more of them, fewer values count as its choice.
const maxWords = 1_000

var (
	actionPattern = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	namePattern   = regexp.MustCompile(`\.([\pL_][\pL\pN_]*)`)
	quotedPattern = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
)

func (c *Compiled) readAuthored() authored {
	a := authored{words: map[string]map[string]bool{}, keys: map[string]map[string]bool{}}
	a.readWords(c.template.JobConfiguration)
	a.text = strings.Join(allTexts(nil, c.template.JobConfiguration), "\n")
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

func (a authored) readAction(action string) {
	names := namePattern.FindAllStringSubmatch(quotedPattern.ReplaceAllString(action, ""), -1)
	for _, quoted := range quotedPattern.FindAllString(action, -1) {
		word, err := strconv.Unquote(quoted)
		if err != nil || word == "" {
			continue
		}
		for _, name := range names {
			if a.words[name[1]] == nil {
				a.words[name[1]] = map[string]bool{}
			}
			if len(a.words[name[1]]) < maxWords {
				a.words[name[1]][word] = true
			}
		}
	}
}

func (a authored) readWords(v any) {
	switch v := v.(type) {
	case string:
		for _, action := range actionPattern.FindAllString(v, -1) {
			a.readAction(action)
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

// Given are the texts of all that people gave, keys included: what Substitute changes.
func (o *Origin) Given() []string {
	var given []string
	for _, name := range o.given() {
		v, base := o.merged.variables[name], o.base.variables[name]
		if name == envVariable {
			v, _ = o.merged.env.print()
			base, _ = o.base.env.print()
		}
		given = appendTexts(given, v, base)
	}
	if o.compiled.ReadsContext() {
		if tree, err := o.input.Context.Tree(); err == nil {
			run, _ := tree["run"].(map[string]any)
			for _, v := range []any{run["name"], run["tags"], run["parameters"], tree["deployment"], tree["queue"]} {
				given = appendTexts(given, v, nil)
			}
		}
	}
	return given
}

// appendTexts adds the texts and keys of a value, without what the template has at the same place.
func appendTexts(texts []string, v, under any) []string {
	switch v := v.(type) {
	case string:
		if !value.Equal(v, under) {
			texts = append(texts, v)
		}
	case []any:
		for _, item := range v {
			texts = appendTexts(texts, item, nil)
		}
	case map[string]any:
		below, _ := under.(map[string]any)
		for key, item := range v {
			if _, ok := below[key]; !ok {
				texts = append(texts, key)
			}
			texts = appendTexts(texts, item, below[key])
		}
	}
	return texts
}

func allTexts(texts []string, v any) []string {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, item := range v {
			texts = allTexts(texts, item)
		}
	case map[string]any:
		for _, key := range value.SortedKeys(v) {
			texts = allTexts(append(texts, key), v[key])
		}
	default:
		text, _ := value.Text(v)
		texts = append(texts, text)
	}
	return texts
}

// Text is what the author of the template wrote in job_configuration, keys included.
func (o *Origin) Text() string { return o.authored.text }
