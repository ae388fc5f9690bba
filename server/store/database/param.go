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
	kind, indirect := p.rows.Type().Elem(), false
	if kind.Kind() == reflect.Pointer && !isElement(kind) {
		kind, indirect = kind.Elem(), true
	}
	if kind.Kind() != reflect.Struct || isElement(kind) {
		array, err := p.array(recordField{kind: kind}, false)
		return []any{array}, err
	}
	fields := recordFields(kind)
	columns := make([]any, len(fields))
	for i, f := range fields {
		array, err := p.array(f, indirect)
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

// array is one array, of a field of all rows, which may be pointers. NULLs at the end are left out: unnest fills short
// columns up with them.
func (p param) array(f recordField, indirect bool) ([]byte, error) {
	e, err := elementOf(f.kind)
	if err != nil {
		return nil, err
	}
	optional := f.kind.Kind() == reflect.Pointer
	size, rows := p.rows.Type().Elem().Size(), p.rows.UnsafePointer()
	b := make([]byte, arrayHeader, arrayHeader+usualElement*p.rows.Len())
	count, end := 0, 0
	for i := range p.rows.Len() {
		row := unsafe.Add(rows, uintptr(i)*size)
		if indirect {
			row = *(*unsafe.Pointer)(row)
		}
		value := unsafe.Add(row, f.offset)
		if optional {
			if value = *(*unsafe.Pointer)(value); value == nil {
				b = binary.BigEndian.AppendUint32(b, nullElement)
				continue
			}
		}
		length := len(b)
		if b, err = e.append(append(b, 0, 0, 0, 0), value); err != nil {
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

// element is how values of a type are written. append takes the address of one: a batch has thousands, and to go through
// reflect for each costs more than to write it.
type element struct {
	name   string // PostgreSQL's name of the type
	oid    uint32 // and its number
	append func(b []byte, value unsafe.Pointer) ([]byte, error)
}

// isElement reports whether a struct is one value.
func isElement(t reflect.Type) bool {
	_, err := elementOf(t)
	return err == nil
}

// elementOf is decided by the type alone, and has to be the type of the column exactly: integer is int32 or
// int, bigint is int64.
func elementOf(t reflect.Type) (element, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[uuid.UUID]():
		return element{"uuid", 2950, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			return append(b, (*uuid.UUID)(value)[:]...), nil
		}}, nil
	case t == reflect.TypeFor[Time]():
		return element{"bigint", 20, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			return binary.BigEndian.AppendUint64(b, uint64((*Time)(value).Time().UnixMicro())), nil
		}}, nil
	case t.Kind() == reflect.String:
		return element{"text", 25, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			return append(b, *(*string)(value)...), nil
		}}, nil
	case t.Kind() == reflect.Bool:
		return element{"boolean", 16, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			if *(*bool)(value) {
				return append(b, 1), nil
			}
			return append(b, 0), nil
		}}, nil
	case t.Kind() == reflect.Int32:
		return element{"integer", 23, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			return binary.BigEndian.AppendUint32(b, uint32(*(*int32)(value))), nil
		}}, nil
	case t.Kind() == reflect.Int:
		return element{"integer", 23, appendInt}, nil
	case t.Kind() == reflect.Int64:
		return element{"bigint", 20, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			return binary.BigEndian.AppendUint64(b, uint64(*(*int64)(value))), nil
		}}, nil
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return element{"text", 25, func(b []byte, value unsafe.Pointer) ([]byte, error) {
			text, err := reflect.NewAt(t, value).Interface().(encoding.TextMarshaler).MarshalText()
			return append(b, text...), err
		}}, nil
	}
	return element{}, fmt.Errorf("a %s cannot be an element of an array", t)
}

func appendInt(b []byte, value unsafe.Pointer) ([]byte, error) {
	n := *(*int)(value)
	if n != int(int32(n)) {
		return nil, fmt.Errorf("%d is too large for an integer column", n)
	}
	return binary.BigEndian.AppendUint32(b, uint32(n)), nil
}

type recordField struct {
	name   string
	kind   reflect.Type
	offset uintptr
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
