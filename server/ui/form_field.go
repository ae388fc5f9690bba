package ui

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// formField is a part of a form that is made from a JSON Schema.
type formField struct {
	ID   string
	Name string // of its inputs
	Path string // JSON pointer of the value, in which the API reports problems
	// Kind is text, line, number, date, select, object, list, map, choice, yaml or frozen.
	Kind                     string
	Label, Description, Hint string
	Text                     string
	Options                  []formOption
	Fields                   []*formField // members, items, or the alternatives of a choice
	Key                      *formField   // the name of an entry of a map
	Required                 bool
	HasDefault               bool
	Changed                  bool
	Removable                bool
	Chosen                   bool // of the alternatives of a choice
	Problem                  string

	def   json.RawMessage
	value json.RawMessage // what is sent; empty for nothing
}

// formOption is a choice of a select. Its value is JSON.
type formOption struct {
	Value, Label string
	Selected     bool
}

// formReader makes fields from a schema, with values, or with what was typed.
type formReader struct {
	typed url.Values // nil for a new form
	add   string     // the list or map that gets one more entry
	drop  string     // the entry that goes
	reset string     // the field that gets its default
	count int
}

// place is a value of the form: the schema, and the names under which it is read and written. They differ where an entry
// before it goes.
type place struct {
	schema     *schemaNode
	root       *schemaNode
	read, name string
	path       string
	label      string
	value, def json.RawMessage
	required   bool
	always     bool // an entry of a list is there, also where it is empty
	depth      int
}

const deepestField = 6

// field makes a field and what it sends.
func (r *formReader) field(p place) *formField {
	p.schema = p.root.resolve(p.schema)
	if p.schema == nil {
		p.schema = &schemaNode{}
	}
	if len(p.schema.AllOf) == 1 && len(p.schema.Type) == 0 {
		whole := *p.root.resolve(p.schema.AllOf[0])
		whole.Default, whole.Description, whole.ReadOnly = p.schema.Default, p.schema.Description, p.schema.ReadOnly
		p.schema = &whole
	}
	if len(p.def) == 0 {
		p.def = p.schema.Default
	}
	if r.reset == p.name {
		p.value = nil
		r.forget(p.read)
	}
	if len(p.value) == 0 {
		p.value = p.def
	}
	r.count++
	f := &formField{
		ID: "f" + strconv.Itoa(r.count), Name: p.name, Path: p.path, Label: p.label, Description: p.schema.Description,
		Required: p.required && len(p.def) == 0, HasDefault: len(p.def) > 0, def: p.def, Kind: p.schema.control(p.root, p.depth),
	}
	if p.schema.Title != "" && p.label != "" {
		f.Label = p.schema.Title
	}
	f.Hint = p.schema.hint()
	switch f.Kind {
	case "frozen":
		f.Text = string(p.schema.Const)
		if text, ok := jsonText(p.schema.Const); ok {
			f.Text = text
		}
	case "object":
		r.object(f, p)
	case "list":
		r.list(f, p)
	case "map":
		r.entries(f, p)
	case "choice":
		r.choice(f, p)
	default:
		r.scalar(f, p)
	}
	f.Changed = len(f.value) > 0 && !sameJSON(f.value, f.def)
	return f
}

// forget drops what was typed into a field and its parts.
func (r *formReader) forget(name string) {
	for typed := range r.typed {
		bare := typed
		if len(typed) > 1 && typed[1] == ':' && typed[0] != '/' {
			bare = typed[2:]
		}
		if bare == name || strings.HasPrefix(bare, name+"/") || strings.HasPrefix(bare, name+"#") {
			delete(r.typed, typed)
		}
	}
}

// control decides what kind of field a schema gets.
func (n *schemaNode) control(root *schemaNode, depth int) string {
	switch {
	case n.ReadOnly:
		return "frozen"
	case depth > deepestField || n.any || n.never || n.Ref != "":
		return "yaml"
	case len(n.Enum) > 0 || len(n.Const) > 0:
		return "select"
	case len(n.alternatives()) > 0:
		return "choice"
	case len(n.AllOf) > 0:
		return "yaml"
	case len(n.Type) == 0 && len(n.Properties) > 0:
		return "object"
	case len(n.Type) == 0:
		return "yaml"
	}
	switch n.Type[0] {
	case "string":
		switch n.Format {
		case "date":
			return "date"
		case "date-time", "uuid", "uri", "email":
			return "line"
		}
		return "text"
	case "integer", "number":
		return "number"
	case "boolean", "null":
		return "select"
	case "array":
		if items := root.resolve(n.Items); items != nil && items.control(root, depth+1) != "yaml" {
			return "list"
		}
	case "object":
		if len(n.Properties) > 0 {
			return "object"
		}
		if entry := root.resolve(n.AdditionalProperties); entry != nil && slices.Contains([]string{"text", "line", "number", "date", "select"}, entry.control(root, depth+1)) {
			return "map"
		}
	}
	return "yaml"
}

// alternatives are the schemas of which one is chosen; several types are alternatives too.
func (n *schemaNode) alternatives() []*schemaNode {
	if len(n.Properties) == 0 {
		if len(n.OneOf) > 0 {
			return n.OneOf
		}
		if len(n.AnyOf) > 0 {
			return n.AnyOf
		}
	}
	if len(n.Type) < 2 {
		return nil
	}
	each := make([]*schemaNode, len(n.Type))
	for i, kind := range n.Type {
		one := *n
		one.Type, one.Default, one.Title, one.Description = schemaTypes{kind}, nil, "", ""
		each[i] = &one
	}
	return each
}

// hint is what a value must be, beside its type.
func (n *schemaNode) hint() string {
	var parts []string
	if n.Format != "" {
		parts = append(parts, map[string]string{"date-time": "as 2026-01-31T12:00:00Z", "date": "as 2026-01-31"}[n.Format])
		if parts[0] == "" {
			parts[0] = n.Format
		}
	}
	if n.Minimum != "" {
		parts = append(parts, "at least "+n.Minimum.String())
	}
	if n.Maximum != "" {
		parts = append(parts, "at most "+n.Maximum.String())
	}
	if len(n.Examples) > 0 {
		parts = append(parts, "for example "+joinRaw(n.Examples))
	}
	return strings.Join(parts, ", ")
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// scalar is a field of one input.
func (r *formReader) scalar(f *formField, p place) {
	text, isText := jsonText(p.value)
	if !isText {
		text = string(p.value)
	}
	if f.Kind == "yaml" && len(p.value) > 0 {
		if written, err := asYAML(p.value); err == nil {
			text = strings.TrimSuffix(written, "\n")
		}
	}
	if f.Kind == "select" {
		text = string(p.value)
	}
	if r.typed.Has(p.read) {
		text = strings.ReplaceAll(r.typed.Get(p.read), "\r\n", "\n")
	}
	f.Text = text
	if f.Kind == "line" && strings.Contains(text, "\n") {
		f.Kind = "text"
	}
	if _, err := time.Parse(time.DateOnly, text); f.Kind == "date" && text != "" && err != nil {
		f.Kind = "line" // the field of a browser for dates would lose it
	}
	if f.Kind == "select" {
		f.Options = p.schema.options(f, p.required, p.always)
		if text == "" && len(f.Options) > 0 {
			f.Text = f.Options[0].Value // what the browser selects
		}
	}
	f.value, f.Problem = f.read(p.always)
}

// options are the choices of a field.
func (n *schemaNode) options(f *formField, required, always bool) []formOption {
	values := n.Enum
	switch {
	case len(n.Const) > 0:
		values = []json.RawMessage{n.Const}
	case len(values) == 0 && n.Type[0] == "boolean":
		values = []json.RawMessage{json.RawMessage("true"), json.RawMessage("false")}
	case len(values) == 0:
		values = []json.RawMessage{json.RawMessage("null")}
	}
	var all []formOption
	onlyOne := required && len(values) == 1
	if !f.HasDefault && !always && !onlyOne {
		all = append(all, formOption{Label: "not set", Selected: f.Text == ""})
	}
	known := f.Text == ""
	for _, value := range values {
		label, ok := jsonText(value)
		if !ok || label == "" {
			label = string(value)
		}
		selected := f.Text != "" && sameJSON(value, json.RawMessage(f.Text))
		known = known || selected
		all = append(all, formOption{Value: string(value), Label: label, Selected: selected})
	}
	if !known {
		all = append(all, formOption{Value: f.Text, Label: f.Text + " (not allowed)", Selected: true})
	}
	return all
}

// read is the value of a field of one input as JSON: what is typed keeps its digits and its spaces. Nothing is sent for an
// empty field without a default.
func (f *formField) read(always bool) (value json.RawMessage, problem string) {
	text := f.Text
	trimmed := strings.TrimSpace(text)
	switch f.Kind {
	case "text", "line", "date":
		if text == "" && !f.HasDefault && !always {
			return nil, ""
		}
		return quoted(text), ""
	case "number":
		switch {
		case trimmed == "" && !f.HasDefault && !always:
			return nil, ""
		case jsonNumber.MatchString(trimmed):
			return json.RawMessage(trimmed), ""
		case strings.Contains(text, "{{"): // a reference, which becomes a number later
			return quoted(text), ""
		}
		return nil, "must be a number"
	case "select":
		if text == "" {
			return nil, ""
		}
		if !json.Valid([]byte(text)) {
			return nil, "must be one of the choices"
		}
		return json.RawMessage(text), ""
	}
	if trimmed == "" && !f.HasDefault {
		return nil, ""
	}
	document, err := readYAML(text)
	if err != nil {
		return nil, err.Error()
	}
	return document, ""
}

// readYAML reads what a person typed, within the bounds of a request.
func readYAML(text string) (json.RawMessage, error) {
	parsed, err := yamldoc.ParseWithin([]byte(text), yamldoc.Limits{Nodes: 100_000, Bytes: 4 << 20})
	if err != nil {
		return nil, err
	}
	return parsed.MarshalJSON()
}

// object is a field with a field for each property.
func (r *formReader) object(f *formField, p place) {
	values, defaults := membersOf(p.value), membersOf(p.def)
	for _, name := range p.schema.names() {
		step := "/" + pointerStep(name)
		f.Fields = append(f.Fields, r.field(place{
			schema: p.schema.Properties[name], root: p.root, read: p.read + step, name: p.name + step, path: p.path + step, label: name,
			value: values[name], def: defaults[name], required: p.schema.requires(name), depth: p.depth + 1,
		}))
	}
	if other := r.others(p, values, defaults); other != nil {
		f.Fields = append(f.Fields, other)
	}
	touched := slices.ContainsFunc(f.Fields, func(part *formField) bool { return part.Changed })
	switch {
	case touched || p.always || p.required && !f.HasDefault:
		f.value = joinMembers(f.members())
	case f.HasDefault:
		f.value = f.def
	}
}

// others is a field for members that the schema does not declare: where it allows them, and where there are some, so that
// none is lost.
func (r *formReader) others(p place, values, defaults map[string]json.RawMessage) *formField {
	rest := func(all map[string]json.RawMessage) json.RawMessage {
		var members []jsonMember
		for _, name := range sortedNames(all) {
			if p.schema.Properties[name] == nil {
				members = append(members, jsonMember{name, all[name]})
			}
		}
		if len(members) == 0 {
			return nil
		}
		return joinMembers(members)
	}
	extra, declared := rest(values), p.schema.AdditionalProperties
	allowed := declared != nil && !declared.never || declared == nil && p.depth == 0
	if !allowed && len(extra) == 0 && !r.typed.Has(p.read+"#other") {
		return nil
	}
	other := r.field(place{
		schema: &schemaNode{Description: "YAML, as name: value"}, root: p.root, read: p.read + "#other", name: p.name + "#other", path: p.path,
		label: "Others", value: extra, def: rest(defaults), depth: p.depth + 1,
	})
	if len(other.value) > 0 && other.value[0] != '{' {
		other.value, other.Problem = nil, "must be names with values, as in day: monday"
	}
	return other
}

// jsonMember is a member of an object.
type jsonMember struct {
	name  string
	value json.RawMessage
}

// members are what the parts of an object send.
func (f *formField) members() []jsonMember {
	var all []jsonMember
	for _, part := range f.Fields {
		switch {
		case len(part.value) == 0:
		case strings.HasSuffix(part.Name, "#other"):
			inside := membersOf(part.value)
			for _, name := range sortedNames(inside) {
				all = append(all, jsonMember{name, inside[name]})
			}
		default:
			all = append(all, jsonMember{lastStep(part.Path), part.value})
		}
	}
	return all
}

// entryCount is how many entries a list or map has, and which of the typed ones are kept.
func (r *formReader) entryCount(p place, have int) []int {
	if text := r.typed.Get("n:" + p.read); text != "" {
		const most = 1000
		if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= most {
			have = n
		}
	}
	kept := []int{}
	for i := range have {
		if r.drop != p.name+"/"+strconv.Itoa(i) {
			kept = append(kept, i)
		}
	}
	if r.add == p.name {
		kept = append(kept, have)
	}
	return kept
}

// list is a field with a field for each item.
func (r *formReader) list(f *formField, p place) {
	var values []json.RawMessage
	_ = json.Unmarshal(p.value, &values) // what is no list has no items
	var items []json.RawMessage
	for at, from := range r.entryCount(p, len(values)) {
		step := "/" + strconv.Itoa(at)
		item := r.field(place{
			schema: p.schema.Items, root: p.root, read: p.read + "/" + strconv.Itoa(from), name: p.name + step, path: p.path + step,
			value: entryAt(values, from), always: true, depth: p.depth + 1, label: strconv.Itoa(at + 1),
		})
		item.Removable = true
		f.Fields = append(f.Fields, item)
		if len(item.value) > 0 {
			items = append(items, item.value)
		}
	}
	if len(f.Fields) > 0 || f.HasDefault || p.always {
		f.value = joinItems(items)
	}
}

// entries is a field with a name and a value for each entry.
func (r *formReader) entries(f *formField, p place) {
	values := membersOf(p.value)
	names := sortedNames(values)
	var members []jsonMember
	seen := map[string]bool{}
	for at, from := range r.entryCount(p, len(names)) {
		step, read := "/"+strconv.Itoa(at), "/"+strconv.Itoa(from)
		name := ""
		if from < len(names) {
			name = names[from]
		}
		if r.typed.Has("k:" + p.read + read) {
			name = r.typed.Get("k:" + p.read + read)
		}
		entry := r.field(place{
			schema: p.schema.AdditionalProperties, root: p.root, read: p.read + read, name: p.name + step,
			path: p.path + "/" + pointerStep(name), value: values[name], always: true, depth: p.depth + 1, label: "Value",
		})
		entry.Removable = true
		entry.Key = &formField{ID: entry.ID + "k", Name: "k:" + p.name + step, Text: name}
		f.Fields = append(f.Fields, entry)
		switch {
		case name == "":
			if entry.Text != "" {
				entry.Problem = "has no name"
			}
		case seen[name]:
			entry.Problem = "the name " + name + " comes twice"
		case len(entry.value) > 0:
			members = append(members, jsonMember{name, entry.value})
		}
		seen[name] = true
	}
	if len(f.Fields) > 0 || f.HasDefault || p.always {
		f.value = joinMembers(members)
	}
}

// choice is a field with all alternatives, of which the chosen one counts.
func (r *formReader) choice(f *formField, p place) {
	alternatives := p.schema.alternatives()
	chosen := -1
	for i, one := range alternatives {
		if chosen < 0 && len(p.value) > 0 && p.root.resolve(one).fits(p.value, p.root) {
			chosen = i
		}
	}
	if text := r.typed.Get("c:" + p.read); text != "" {
		if n, err := strconv.Atoi(text); err == nil && n < len(alternatives) {
			chosen = n
		}
	}
	f.Options = []formOption{{Value: "-1", Label: "not set", Selected: chosen < 0}}
	if f.HasDefault || p.always {
		f.Options = nil
	}
	for i, one := range alternatives {
		part := place{
			schema: one, root: p.root, read: fmt.Sprintf("%s#%d", p.read, i), name: fmt.Sprintf("%s#%d", p.name, i), path: p.path,
			always: true, depth: p.depth + 1,
		}
		if i == chosen {
			part.value = p.value
		}
		made := r.field(part)
		made.Chosen = i == chosen
		resolved := p.root.resolve(one)
		made.Label = ""
		label := resolved.Title
		if label == "" {
			label = resolved.kind()
		}
		f.Options = append(f.Options, formOption{Value: strconv.Itoa(i), Label: label, Selected: made.Chosen})
		f.Fields = append(f.Fields, made)
		if made.Chosen {
			f.value = made.value
		} else {
			made.quiet()
		}
	}
}

// quiet drops the problems of an alternative that is not chosen.
func (f *formField) quiet() {
	f.Problem = ""
	for _, part := range f.Fields {
		part.quiet()
	}
}

// fits reports whether a value looks as if it were of a schema: which alternative a value is of.
func (n *schemaNode) fits(value json.RawMessage, root *schemaNode) bool {
	if len(n.Const) > 0 {
		return sameJSON(n.Const, value)
	}
	if len(n.Enum) > 0 {
		return slices.ContainsFunc(n.Enum, func(one json.RawMessage) bool { return sameJSON(one, value) })
	}
	kind := jsonKind(value)
	if len(n.Type) > 0 && !slices.Contains(n.Type, kind) && (kind != "integer" || !slices.Contains(n.Type, "number")) {
		return false
	}
	members := membersOf(value)
	for _, name := range n.Required {
		if _, has := members[name]; !has {
			return false
		}
	}
	for name, member := range members {
		if p := root.resolve(n.Properties[name]); p != nil && len(p.Const) > 0 && !sameJSON(p.Const, member) {
			return false
		}
	}
	return true
}

// each calls a function with the field and all its parts that count.
func (f *formField) each(call func(*formField)) {
	call(f)
	for _, part := range f.Fields {
		if f.Kind != "choice" || part.Chosen {
			part.each(call)
		}
	}
}
