// Package jobtype describes the types of a Kubernetes Job for editors, in the words of Kubernetes.
//
// Fields and documentation come from the Go types that manifests are checked against, so that they are always those of
// the same version. The values of enumerations are not in the types: they are read from the source of Kubernetes, into
// enums.json, by `go test ./templating/manifest/jobtype -update`.
package jobtype

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Root is the name of the type of a Job.
const Root = "Job"

// The types of values that are no object of Kubernetes.
const (
	String      = "string"
	Integer     = "integer"
	Number      = "number"
	Boolean     = "boolean"
	Quantity    = "quantity"          // text such as 512Mi, or a number
	IntOrString = "integer-or-string" // a number, or text such as a name or a percentage
	Time        = "time"              // RFC 3339
	Bytes       = "bytes"             // base64
	Any         = "any"
)

// Type is an object of Kubernetes.
type Type struct {
	Doc    string  `json:"doc"`
	Fields []Field `json:"fields"`
}

// Field is a field of a Type.
type Field struct {
	Name string `json:"name"`
	// Type is that of the value, or of each item or entry: one of the constants, or the name of a Type.
	Type string `json:"type"`
	List bool   `json:"list,omitempty"` // a list of it
	Map  bool   `json:"map,omitempty"`  // an object with any keys, and it as their values
	Doc  string `json:"doc"`
	// Enum are the values that Kubernetes knows.
	Enum []string `json:"enum,omitempty"`
	// Required is set where Kubernetes has no default for it.
	Required bool `json:"-"`
}

//go:embed enums.json
var enumsJSON []byte

// All returns the types of a Job by their names.
var All = sync.OnceValue(func() map[string]Type { return Of(reflect.TypeFor[batchv1.Job]()) })

// Of returns these types of Kubernetes and the types of their fields, by their names.
func Of(roots ...reflect.Type) map[string]Type {
	r := reader{types: map[string]Type{}, names: map[string]reflect.Type{}}
	if err := json.Unmarshal(enumsJSON, &r.enums); err != nil {
		panic("jobtype: enums.json: " + err.Error()) // it is embedded, and a test reads it
	}
	for _, root := range roots {
		r.object(root)
	}
	return r.types
}

type reader struct {
	types map[string]Type
	names map[string]reflect.Type
	enums map[string][]string // by the name of a Go type with its package
}

// object adds a Go type and returns its name.
func (r *reader) object(t reflect.Type) string {
	name := t.Name()
	if known, ok := r.names[name]; ok {
		if known != t {
			panic("jobtype: two types are called " + name) // a test reads all
		}
		return name
	}
	r.names[name] = t
	docs := docsOf(t)
	r.types[name] = Type{Doc: docs[""], Fields: r.fields(t, docs)}
	return name
}

// docsOf returns what Kubernetes says of the fields of a type, and of the type itself under "".
func docsOf(t reflect.Type) map[string]string {
	if documented, ok := reflect.Zero(t).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		return documented.SwaggerDoc()
	}
	return nil
}

func (r *reader) fields(t reflect.Type, docs map[string]string) []Field {
	fields := []Field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || t == reflect.TypeFor[batchv1.Job]() && name == "status": // a cluster writes it
		case name == "" && f.Anonymous:
			fields = append(fields, r.fields(f.Type, docsOf(f.Type))...)
		case name != "":
			field := Field{Name: name, Doc: docs[name], Required: !strings.Contains(options, "omit")}
			r.describe(&field, f.Type)
			fields = append(fields, field)
		}
	}
	return fields
}

// describe sets the type of a field.
func (r *reader) describe(f *Field, t reflect.Type) {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		f.Type = Quantity
		return
	case reflect.TypeFor[intstr.IntOrString]():
		f.Type = IntOrString
		return
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		f.Type = Time
		return
	case reflect.TypeFor[metav1.FieldsV1]():
		f.Type = Any
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		r.describe(f, t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			f.Type = Bytes
			return
		}
		f.List = true
		r.describe(f, t.Elem())
	case reflect.Map:
		f.Map = true
		r.describe(f, t.Elem())
	case reflect.Struct:
		f.Type = r.object(t)
	case reflect.String:
		f.Type, f.Enum = String, r.enums[t.PkgPath()+"."+t.Name()]
	case reflect.Bool:
		f.Type = Boolean
	case reflect.Float32, reflect.Float64:
		f.Type = Number
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.Type = Integer
	default:
		panic("jobtype: no word for " + t.String()) // a test reads all
	}
}
