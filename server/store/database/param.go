package database

import (
	"encoding"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/google/uuid"
)

// param is many values, or many records, as the parameter of Dialect.List or RecordsOf. On SQLite it
// travels as one JSON text; on PostgreSQL as an array, or an array for each column, which are read several
// times as fast.
type param struct{ rows reflect.Value }

// ListOf is the parameter of Dialect.List for simple values and of RecordsOf for structs, whose json
// tags name exactly the columns.
func ListOf[T any](rows []T) param { return param{reflect.ValueOf(rows)} }

// args puts what the database takes in the place of params.
func (d Dialect) args(args []any) ([]any, error) {
	if !slices.ContainsFunc(args, isParam) {
		return args, nil
	}
	given := make([]any, 0, len(args)+8)
	for _, a := range args {
		p, ok := a.(param)
		switch {
		case !ok:
			given = append(given, a)
		case d == Postgres:
			columns, err := p.arrays()
			if err != nil {
				return nil, err
			}
			given = append(given, columns...)
		default:
			text, err := p.json()
			if err != nil {
				return nil, err
			}
			given = append(given, text)
		}
	}
	return given, nil
}

func isParam(a any) bool {
	_, ok := a.(param)
	return ok
}

func (p param) json() (string, error) {
	if p.rows.Len() == 0 {
		return "[]", nil // and not null, which is no list
	}
	b, err := json.Marshal(p.rows.Interface())
	if err != nil {
		return "", fmt.Errorf("encode rows: %w", err)
	}
	return string(b), nil
}

// arrays are arrays in PostgreSQL's binary form: of the values, or of each column by the order of their
// names. Neither side has to write or read a text then; the connection sends []byte as binary (postgresDSN).
func (p param) arrays() ([]any, error) {
	kind := p.rows.Type().Elem()
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct {
		array, err := p.array(kind, func(row reflect.Value) reflect.Value { return row })
		return []any{array}, err
	}
	fields := recordFields(kind)
	columns := make([]any, len(fields))
	for i, f := range fields {
		array, err := p.array(f.kind, func(row reflect.Value) reflect.Value { return f.of(reflect.Indirect(row)) })
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.name, err)
		}
		columns[i] = array
	}
	return columns, nil
}

const (
	arrayHeader  = 20 // dimensions, whether there are NULLs, type of the elements, their number, index of the first
	emptyHeader  = 12 // the first three
	usualElement = 20 // the length, and a UUID or a few words
	nullElement  = math.MaxUint32
)

// array is one array. NULLs at the end are left out: unnest fills short columns up with them.
func (p param) array(kind reflect.Type, of func(row reflect.Value) reflect.Value) ([]byte, error) {
	e, err := elementOf(kind)
	if err != nil {
		return nil, err
	}
	b := make([]byte, arrayHeader, arrayHeader+usualElement*p.rows.Len())
	count, end := 0, 0
	for i := range p.rows.Len() {
		v := of(p.rows.Index(i))
		if v.Kind() == reflect.Pointer && v.IsNil() {
			b = binary.BigEndian.AppendUint32(b, nullElement)
			continue
		}
		length := len(b)
		if b, err = e.append(append(b, 0, 0, 0, 0), reflect.Indirect(v)); err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint32(b[length:], uint32(len(b)-length-4))
		count, end = i+1, len(b)
	}
	binary.BigEndian.PutUint32(b[8:], e.oid)
	if count == 0 {
		return b[:emptyHeader], nil
	}
	binary.BigEndian.PutUint32(b[0:], 1) // dimension
	binary.BigEndian.PutUint32(b[4:], 1) // there may be NULLs
	binary.BigEndian.PutUint32(b[12:], uint32(count))
	binary.BigEndian.PutUint32(b[16:], 1) // the index of the first
	return b[:end], nil
}

// element is how values of a type are written.
type element struct {
	name   string // PostgreSQL's name of the type
	oid    uint32 // and its number
	append func(b []byte, v reflect.Value) ([]byte, error)
}

// elementOf is decided by the type alone, and has to be the type of the column exactly: integer is int32 or
// int, bigint is int64.
func elementOf(t reflect.Type) (element, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[uuid.UUID]():
		return element{
			"uuid", 2950,
			func(b []byte, v reflect.Value) ([]byte, error) { return append(b, v.Bytes()...), nil },
		}, nil
	case t == reflect.TypeFor[Time]():
		return element{"bigint", 20, func(b []byte, v reflect.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(b, uint64(v.Addr().Interface().(*Time).Time().UnixMicro())), nil
		}}, nil
	case t.Kind() == reflect.String:
		return element{
			"text", 25,
			func(b []byte, v reflect.Value) ([]byte, error) { return append(b, v.String()...), nil },
		}, nil
	case t.Kind() == reflect.Bool:
		return element{"boolean", 16, appendBool}, nil
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int:
		return element{"integer", 23, appendInteger}, nil
	case t.Kind() == reflect.Int64:
		return element{"bigint", 20, func(b []byte, v reflect.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(b, uint64(v.Int())), nil
		}}, nil
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return element{"text", 25, func(b []byte, v reflect.Value) ([]byte, error) {
			text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
			return append(b, text...), err
		}}, nil
	}
	return element{}, fmt.Errorf("a %s cannot be an element of an array", t)
}

func appendBool(b []byte, v reflect.Value) ([]byte, error) {
	if v.Bool() {
		return append(b, 1), nil
	}
	return append(b, 0), nil
}

func appendInteger(b []byte, v reflect.Value) ([]byte, error) {
	n := v.Int()
	if n != int64(int32(n)) {
		return nil, fmt.Errorf("%d is too large for an integer column", n)
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)), nil
}

type recordField struct {
	name   string
	kind   reflect.Type
	offset uintptr
}

// of returns the field of a record, which is an element of a slice. The walk through the structs that hold the field,
// which reflect would make for each value, costs more than to write the value.
func (f recordField) of(record reflect.Value) reflect.Value {
	return reflect.NewAt(f.kind, unsafe.Add(record.Addr().UnsafePointer(), f.offset)).Elem()
}

// knownFields are the answers of recordFields, by type.
var knownFields sync.Map

// recordFields are the fields of a record with a json tag, by name.
func recordFields(t reflect.Type) []recordField {
	if known, ok := knownFields.Load(t); ok {
		return known.([]recordField)
	}
	var fields []recordField
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() {
			fields = append(fields, recordField{name, f.Type, offsetOf(t, f.Index)})
		}
	}
	slices.SortFunc(fields, func(a, b recordField) int { return strings.Compare(a.name, b.name) })
	knownFields.Store(t, fields)
	return fields
}

// offsetOf is where a field is in a struct, through the structs that hold it.
func offsetOf(t reflect.Type, index []int) uintptr {
	offset := uintptr(0)
	for _, i := range index {
		f := t.Field(i)
		offset, t = offset+f.Offset, f.Type
	}
	return offset
}
