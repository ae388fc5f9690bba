package database

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
)

// AllRecords is Reader.All for a query that many ask for many rows. On PostgreSQL each row travels as one value in
// PostgreSQL's binary form, so that neither side writes or reads IDs and times as text: that is most of what reading a
// row costs.
func AllRecords[T any](ctx context.Context, r Reader, dest *[]*T, query string, args ...any) error {
	if r.db.dialect != Postgres {
		return r.All(ctx, dest, query, args...)
	}
	args, err := r.db.dialect.args(args)
	if err != nil {
		return err
	}
	known, err := r.recordQuery(ctx, reflect.TypeFor[T](), query, args)
	if err != nil {
		return err
	}
	return r.run(ctx, func(ctx context.Context, q sqlx.QueryerContext) error {
		rows, err := q.QueryContext(ctx, known.bound, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var record sql.RawBytes
			if err := rows.Scan(&record); err != nil {
				return err
			}
			row := new(T)
			if err := known.read(record, unsafe.Pointer(row)); err != nil {
				return err
			}
			*dest = append(*dest, row)
		}
		return errors.Join(rows.Err(), rows.Close())
	})
}

// recordQuery is a query whose rows come as records, and where their columns go.
type recordQuery struct {
	bound   string
	columns []recordColumn
}

type recordColumn struct {
	recordField
	set setter
}

type recordQueryKey struct {
	row   reflect.Type
	query string
}

// recordQuery asks the database once for the columns of a query, which a record does not name.
func (r Reader) recordQuery(ctx context.Context, row reflect.Type, query string, args []any) (*recordQuery, error) {
	key := recordQueryKey{row, query}
	if known, ok := r.db.records.Load(key); ok {
		return known.(*recordQuery), nil
	}
	var names []string
	err := r.run(ctx, func(ctx context.Context, q sqlx.QueryerContext) error {
		rows, err := q.QueryContext(ctx, r.db.bind("SELECT * FROM ("+query+") AS x LIMIT 0"), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if names, err = rows.Columns(); err != nil {
			return err
		}
		return errors.Join(rows.Err(), rows.Close())
	})
	if err != nil {
		return nil, err
	}
	known := &recordQuery{bound: r.db.dialect.bind("SELECT record_send(x) FROM (" + query + ") AS x")}
	for _, name := range names {
		field := r.db.writer.Mapper.TypeMap(row).GetByPath(name)
		if field == nil {
			return nil, fmt.Errorf("%s has no field for column %s", row, name)
		}
		set, err := setterOf(field.Field.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		known.columns = append(known.columns, recordColumn{
			recordField{name, field.Field.Type, offsetOf(row, field.Index)}, set,
		})
	}
	r.db.records.Store(key, known)
	return known, nil
}

// read reads a record in binary form: the number of its columns, and of each the type, the length, -1 for NULL, and
// the value.
func (q *recordQuery) read(record []byte, row unsafe.Pointer) error {
	const number, header = 4, 8
	if len(record) < number || int(binary.BigEndian.Uint32(record)) != len(q.columns) {
		return errors.New("read a record: another number of columns")
	}
	record = record[number:]
	for _, c := range q.columns {
		if len(record) < header {
			return errors.New("read a record: it ends early")
		}
		length := int(int32(binary.BigEndian.Uint32(record[4:])))
		record = record[header:]
		if length < 0 {
			if err := c.set(unsafe.Add(row, c.offset), nil); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			continue
		}
		if len(record) < length {
			return errors.New("read a record: it ends early")
		}
		if err := c.set(unsafe.Add(row, c.offset), record[:length:length]); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		record = record[length:]
	}
	return nil
}

// setter writes a value in binary form to the address of a field; nil data is NULL.
type setter func(field unsafe.Pointer, data []byte) error

func setterOf(t reflect.Type) (setter, error) {
	switch {
	case t.Kind() == reflect.Pointer:
		set, err := setterOf(t.Elem())
		return func(field unsafe.Pointer, data []byte) error {
			if data == nil {
				return nil // as it is
			}
			value := reflect.New(t.Elem()).UnsafePointer()
			*(*unsafe.Pointer)(field) = value
			return set(value, data)
		}, err
	case t == reflect.TypeFor[uuid.UUID]():
		return exactly(len(uuid.UUID{}), func(field unsafe.Pointer, data []byte) { copy((*uuid.UUID)(field)[:], data) }), nil
	case t == reflect.TypeFor[Time]():
		return exactly(8, func(field unsafe.Pointer, data []byte) {
			*(*Time)(field) = timeOfBinary(int64(binary.BigEndian.Uint64(data)))
		}), nil
	case reflect.PointerTo(t).Implements(reflect.TypeFor[sql.Scanner]()):
		return func(field unsafe.Pointer, data []byte) error {
			scanner := reflect.NewAt(t, field).Interface().(sql.Scanner)
			if data == nil {
				return scanner.Scan(nil)
			}
			return scanner.Scan(data)
		}, nil
	case t.Kind() == reflect.String:
		return notNull(func(field unsafe.Pointer, data []byte) error {
			*(*string)(field) = string(data)
			return nil
		}), nil
	case t.Kind() == reflect.Bool:
		return exactly(1, func(field unsafe.Pointer, data []byte) { *(*bool)(field) = data[0] != 0 }), nil
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		return notNull(func(field unsafe.Pointer, data []byte) error { return setInt(reflect.NewAt(t, field).Elem(), data) }), nil
	}
	return nil, fmt.Errorf("a %s cannot be read from a record", t)
}

var errNull = errors.New("unexpected NULL")

func notNull(set setter) setter {
	return func(field unsafe.Pointer, data []byte) error {
		if data == nil {
			return errNull
		}
		return set(field, data)
	}
}

func exactly(length int, set func(field unsafe.Pointer, data []byte)) setter {
	return notNull(func(field unsafe.Pointer, data []byte) error {
		if len(data) != length {
			return fmt.Errorf("%d bytes instead of %d", len(data), length)
		}
		set(field, data)
		return nil
	})
}

// setInt takes an integer or a bigint.
func setInt(field reflect.Value, data []byte) error {
	var n int64
	switch len(data) {
	case 4:
		n = int64(int32(binary.BigEndian.Uint32(data)))
	case 8:
		n = int64(binary.BigEndian.Uint64(data))
	default:
		return fmt.Errorf("%d bytes are no integer", len(data))
	}
	if field.OverflowInt(n) {
		return fmt.Errorf("%d is too large", n)
	}
	field.SetInt(n)
	return nil
}

// timeOfBinary is a TIMESTAMPTZ: microseconds since 2000, with both ends for -infinity and infinity.
func timeOfBinary(us int64) Time {
	const since1970 = 946_684_800_000_000
	switch us {
	case math.MinInt64:
		return unreadable("-infinity")
	case math.MaxInt64:
		return unreadable("infinity")
	}
	return Time(time.UnixMicro(us + since1970).UTC())
}
