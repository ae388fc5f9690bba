package store

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// param is many values, or many records, as the parameter of dialect.list or dialect.records. On SQLite it travels as one
// JSON text; on PostgreSQL as an array, or an array for each column, which are read several times as fast.
type param struct{ rows reflect.Value }

// listOf is the parameter of dialect.list for simple values and of dialect.records for structs, whose json tags name
// exactly the columns.
func listOf[T any](rows []T) param { return param{reflect.ValueOf(rows)} }

// args puts what the database takes in the place of params.
func (d dialect) args(args []any) ([]any, error) {
	if !slices.ContainsFunc(args, isParam) {
		return args, nil
	}
	given := make([]any, 0, len(args)+8)
	for _, a := range args {
		p, ok := a.(param)
		switch {
		case !ok:
			given = append(given, a)
		case d == postgres:
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

// arrays are the array literals of PostgreSQL: of the values, or of each column by the order of their names.
func (p param) arrays() ([]any, error) {
	kind := p.rows.Type().Elem()
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	var b []byte
	if kind.Kind() != reflect.Struct {
		array, err := p.array(b, func(row reflect.Value) reflect.Value { return row })
		return []any{string(array)}, err
	}
	fields := recordFields(kind)
	columns := make([]any, len(fields))
	for i, f := range fields {
		var err error
		if b, err = p.array(b[:0], func(row reflect.Value) reflect.Value { return reflect.Indirect(row).FieldByIndex(f.index) }); err != nil {
			return nil, fmt.Errorf("column %s: %w", f.name, err)
		}
		columns[i] = string(b)
	}
	return columns, nil
}

// array appends an array literal. NULLs at the end are left out: unnest fills short columns up with them.
func (p param) array(b []byte, of func(row reflect.Value) reflect.Value) ([]byte, error) {
	b = append(b, '{')
	end := len(b)
	for i := range p.rows.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		v := of(p.rows.Index(i))
		null := v.Kind() == reflect.Pointer && v.IsNil()
		var err error
		if b, err = appendElement(b, v); err != nil {
			return nil, err
		}
		if !null {
			end = len(b)
		}
	}
	return append(b[:end], '}'), nil
}

// appendElement writes one element of an array literal.
func appendElement(b []byte, v reflect.Value) ([]byte, error) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "NULL"...), nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return appendQuoted(b, v.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	}
	switch text := v.Interface().(type) {
	case uuid.UUID:
		return append(b, text.String()...), nil
	case encoding.TextMarshaler:
		marshalled, err := text.MarshalText()
		return appendQuoted(b, string(marshalled)), err
	}
	return nil, fmt.Errorf("a %s can not be an element of an array", v.Type())
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 {
			return append(append(b, s...), '"')
		}
		b = append(append(b, s[:i]...), '\\', s[i])
		s = s[i+1:]
	}
}

type recordField struct {
	name  string
	index []int
}

// recordFields are the fields of a record with a json tag, by name.
func recordFields(t reflect.Type) []recordField {
	var fields []recordField
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() {
			fields = append(fields, recordField{name, f.Index})
		}
	}
	slices.SortFunc(fields, func(a, b recordField) int { return strings.Compare(a.name, b.name) })
	return fields
}
