package server_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/request"
)

// broken is one thing that is wrong with a body, and where.
type broken struct {
	how  string
	path []any // of strings and ints
	// value is put there; removed says that what is there is taken away.
	value   any
	removed bool
}

func (b broken) pointer() string {
	var p strings.Builder
	for _, step := range b.path {
		text, err := json.Marshal(step)
		if err != nil {
			panic(err) // strings and ints only
		}
		p.WriteString("/" + strings.Trim(string(text), `"`))
	}
	return p.String()
}

// filled is a value with something in every place that its schema has and the value does not, so that all can
// be broken. It has the right form and need not make sense.
func filled(schema *openapi3.Schema, value any) any {
	if len(schema.AllOf) == 1 {
		return filled(schema.AllOf[0].Value, value)
	}
	if value == nil {
		value = made(schema)
	}
	switch v := value.(type) {
	case map[string]any:
		full := maps.Clone(v)
		for name, property := range schema.Properties {
			full[name] = filled(property.Value, v[name])
		}
		return full
	case []any:
		full := slices.Clone(v)
		for i := range full {
			full[i] = filled(schema.Items.Value, full[i])
		}
		return full
	}
	return value
}

func made(schema *openapi3.Schema) any {
	switch {
	case schema.Example != nil:
		return schema.Example
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case len(schema.OneOf) > 0:
		return made(schema.OneOf[0].Value)
	case schema.Format == "uuid":
		return "00000000-0000-7000-8000-000000000000"
	case schema.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case schema.Type.Is("string"):
		return "x"
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("array"):
		return []any{made(schema.Items.Value)}
	case schema.Type.Is("object"):
		return map[string]any{}
	case schema.Type != nil && schema.Min != nil:
		return *schema.Min
	case schema.Type != nil:
		return 1.0
	}
	return "anything"
}

// breaks lists everything that a schema refuses in place of a value, and of its parts.
func breaks(schema *openapi3.Schema, value any, path []any) []broken {
	if len(schema.AllOf) == 1 {
		return breaks(schema.AllOf[0].Value, value, path)
	}
	var all []broken
	add := func(how string, value any) { all = append(all, broken{how: how, path: path, value: value}) }
	if !acceptsNull(schema) {
		add("null", nil)
	}
	switch {
	case len(schema.OneOf) > 0:
		add("none of the kinds that are allowed", map[string]any{})
	case schema.Type.Is("string"):
		add("a number for a string", 7.5)
		for _, text := range wrongStrings(schema) {
			add("not such a string", text)
		}
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		add("a string for a number", "seven")
		for _, number := range wrongNumbers(schema) {
			add("not such a number", number)
		}
	case schema.Type.Is("boolean"):
		add("a string for a boolean", "yes")
	case schema.Type.Is("array"):
		add("an object for a list", map[string]any{})
		all = append(all, breaksOfList(schema, value, path)...)
	case schema.Type.Is("object"):
		add("a list for an object", []any{})
		if object, ok := value.(map[string]any); ok {
			all = append(all, breaksOfObject(schema, object, path)...)
		}
	}
	return all
}

func acceptsNull(schema *openapi3.Schema) bool {
	return schema.Nullable || slices.ContainsFunc(schema.AnyOf, func(alternative *openapi3.SchemaRef) bool {
		return acceptsNull(alternative.Value)
	})
}

func wrongStrings(schema *openapi3.Schema) []string {
	var wrong []string
	if len(schema.Enum) > 0 || schema.Format == "date-time" || schema.Format == "uuid" {
		wrong = append(wrong, "nonsense")
	}
	if schema.MinLength > 0 {
		wrong = append(wrong, "")
	}
	if schema.MaxLength != nil {
		wrong = append(wrong, strings.Repeat("x", int(*schema.MaxLength)+1))
	}
	if schema.Pattern != "" {
		wrong = append(wrong, "/\n")
	}
	return wrong
}

func wrongNumbers(schema *openapi3.Schema) []float64 {
	var wrong []float64
	if schema.Min != nil {
		wrong = append(wrong, *schema.Min-1)
	}
	if schema.Max != nil {
		wrong = append(wrong, *schema.Max+1)
	}
	if schema.Type.Is("integer") {
		wrong = append(wrong, 1.5, 1e30)
	}
	if schema.Format == "int32" {
		wrong = append(wrong, 1<<40)
	}
	return wrong
}

func breaksOfList(schema *openapi3.Schema, value any, path []any) []broken {
	var all []broken
	list, _ := value.([]any)
	if schema.MinItems > 0 {
		all = append(all, broken{how: "too few", path: path, value: []any{}})
	}
	const most = 1000 // longer lists are more than a body may have
	if schema.MaxItems != nil && *schema.MaxItems <= most && len(list) > 0 {
		all = append(all, broken{how: "too many", path: path,
			value: slices.Repeat(list[:1], int(*schema.MaxItems)+1)})
	}
	for i, item := range list {
		all = append(all, breaks(schema.Items.Value, item, append(slices.Clone(path), i))...)
	}
	return all
}

func breaksOfObject(schema *openapi3.Schema, object map[string]any, path []any) []broken {
	var all []broken
	at := func(name string) []any { return append(slices.Clone(path), name) }
	for _, name := range schema.Required {
		all = append(all, broken{how: "missing", path: at(name), removed: true})
	}
	if schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has {
		all = append(all, broken{how: "unknown", path: at("surprise"), value: true})
	}
	if schema.MinProps > 0 {
		all = append(all, broken{how: "nothing", path: path, value: map[string]any{}})
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		all = append(all, breaks(schema.Properties[name].Value, object[name], at(name))...)
	}
	return all
}

// apply returns the body with what is broken in it.
func (b broken) apply(t testing.TB, body any) any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var fresh any
	if err := json.Unmarshal(text, &fresh); err != nil {
		t.Fatal(err)
	}
	return b.put(fresh, b.path)
}

func (b broken) put(at any, path []any) any {
	if len(path) == 0 {
		return b.value
	}
	switch step := path[0].(type) {
	case string:
		object := at.(map[string]any)
		if b.removed && len(path) == 1 {
			delete(object, step)
			return object
		}
		object[step] = b.put(object[step], path[1:])
		return object
	case int:
		list := at.([]any)
		list[step] = b.put(list[step], path[1:])
		return list
	}
	return at
}

// breakBody sends what a body may not be. People are told where what is wrong; of workers it is only asked
// that whatever they send is answered, since what is new in a newer worker must not be refused.
func (w *contractWorld) breakBody(o operation, valid aCall) {
	w.t.Helper()
	w.breakText(o, valid)
	schema := o.RequestBody.Value.Content.Get("application/json").Schema.Value
	full := filled(schema, valid.body)
	all := breaks(schema, full, nil)
	w.t.Logf("%d ways to break the body", len(all))
	if len(all) < 2 {
		w.t.Errorf("only %d ways were found to break the body", len(all))
	}
	for _, b := range all {
		if o.OperationID == "ClaimRuns" && b.pointer() == "/wait_seconds" {
			continue // what is too long is cut; who asks for it waits
		}
		text, err := json.Marshal(b.apply(w.t, full))
		if err != nil {
			w.t.Fatal(err)
		}
		a := w.sendText(valid, string(text))
		if o.protocol() {
			if a.status >= 300 && (a.status >= 500 ||
				a.header.Get("Content-Type") != "application/problem+json") {
				w.t.Errorf("%s (%s at %s): status %d: %s", a.what, b.how, b.pointer(), a.status, a.body)
			}
			continue
		}
		if a.status == http.StatusOK {
			w.t.Errorf("%s (%s at %s) was taken", a.what, b.how, b.pointer())
			continue
		}
		if problem := a.refused(http.StatusBadRequest, "invalid-body"); !near(problem, b.pointer()) {
			w.t.Errorf("%s: nothing is said of %s at %s: %s", o.OperationID, b.how, b.pointer(), a.body)
		}
	}
}

// near reports whether a finding is at the place, around it or inside.
func near(problem api.Problem, pointer string) bool {
	if problem.Errors == nil {
		return false
	}
	return slices.ContainsFunc(*problem.Errors, func(f api.Finding) bool {
		inside := strings.HasPrefix(f.Pointer, pointer)
		around := f.Pointer != "" && strings.HasPrefix(pointer, f.Pointer)
		return f.Message != "" && (inside || around)
	})
}

// breakText sends bodies that are no JSON document, or not said to be one.
func (w *contractWorld) breakText(o operation, valid aCall) {
	w.t.Helper()
	text, err := json.Marshal(valid.body)
	if err != nil {
		w.t.Fatal(err)
	}
	whole := string(text)
	bodies := []string{whole[:len(whole)-1], "{", "\xff", "nonsense", strings.Repeat("[", 10000), whole + "x"}
	for _, body := range bodies {
		a := w.sendText(valid, body)
		if code := a.refusedWith(http.StatusBadRequest); code != "invalid-json" {
			w.t.Errorf("%s: code %q", a.what, code)
		}
	}
	for header, value := range map[string]string{"Content-Type": "text/plain", "Content-Encoding": "gzip"} {
		c := valid
		c.header = map[string]string{header: value}
		w.sendText(c, whole).refused(http.StatusUnsupportedMediaType, "unsupported-media-type")
	}
	twice := strings.Replace(whole, "{", `{"twice":1,"twice":2,`, 1)
	w.sendText(valid, strings.Replace(twice, ",}", "}", 1)).refused(http.StatusBadRequest, "invalid-json",
		"/twice")
	large := whole + string(bytes.Repeat([]byte{' '}, request.MaxOutputBody))
	w.sendText(valid, large).refused(http.StatusRequestEntityTooLarge, "body-too-large")
}

// refusedWith is the code of a problem document.
func (a answer) refusedWith(status int) string {
	a.t.Helper()
	return read[api.Problem](a.is(status)).Code
}
