package manifest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shape is what there is to know of a Go type in order to decode into it: worked out once, then only read.
type shape struct {
	typ    reflect.Type
	kind   shapeKind
	elem   *shape // of pointers, slices and maps
	fields map[string]*field
	names  []string // of the fields, sorted
}

type field struct {
	index []int
	shape *shape
}

type shapeKind int

const (
	shapeScalar shapeKind = iota
	shapePointer
	shapeStruct
	shapeSlice
	shapeMap
	shapeBytes
	shapeQuantity
	shapeIntOrString
	shapeJSON // decodes itself
)

// jobShape is the shape of a Job.
var jobShape = sync.OnceValue(func() *shape {
	return shapeOf(reflect.TypeFor[batchv1.Job](), map[reflect.Type]*shape{})
})

// shapeOf works a type out; known holds the types that are done or under way, so that types may refer to
// themselves.
func shapeOf(t reflect.Type, known map[reflect.Type]*shape) *shape {
	if s, ok := known[t]; ok {
		return s
	}
	s := &shape{typ: t}
	known[t] = s
	switch {
	case t == reflect.TypeFor[resource.Quantity]():
		s.kind = shapeQuantity
	case t == reflect.TypeFor[intstr.IntOrString]():
		s.kind = shapeIntOrString
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		s.kind = shapeJSON
	case t.Kind() == reflect.Pointer:
		s.kind, s.elem = shapePointer, shapeOf(t.Elem(), known)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		s.kind = shapeBytes
	case t.Kind() == reflect.Slice:
		s.kind, s.elem = shapeSlice, shapeOf(t.Elem(), known)
	case t.Kind() == reflect.Map:
		s.kind, s.elem = shapeMap, shapeOf(t.Elem(), known)
	case t.Kind() == reflect.Struct:
		s.kind, s.fields = shapeStruct, map[string]*field{}
		s.addFields(t, nil, known)
		slices.Sort(s.names)
	}
	return s
}

// addFields collects the fields of a struct by their JSON names; inlined structs count as the struct's own.
func (s *shape) addFields(t reflect.Type, index []int, known map[reflect.Type]*shape) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(slices.Clone(index), i)
		switch {
		case name == "-":
		case name == "" && f.Anonymous:
			s.addFields(f.Type, at, known)
		case name != "":
			s.fields[name] = &field{index: at, shape: shapeOf(f.Type, known)}
			s.names = append(s.names, name)
		}
	}
}
