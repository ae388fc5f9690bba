package database

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"
)

// Dialect produces the SQL that differs between the databases.
type Dialect string

const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// bind writes the placeholders of the database.
func (d Dialect) bind(query string) string {
	if d == Postgres {
		return sqlx.Rebind(sqlx.DOLLAR, query)
	}
	return query
}

// Lock is the locking clause of a SELECT. SQLite has one writer, so that there is nothing to lock.
func (d Dialect) Lock(clause string) string {
	if d == Postgres {
		return " " + clause
	}
	return ""
}

// List is a subquery with the column item over a ListOf values; kind is uuid or text.
func (d Dialect) List(kind string) string {
	if d == Postgres {
		return "(SELECT unnest(?::" + kind + "[]) AS item)"
	}
	return "(SELECT value AS item FROM json_each(?))"
}

// Param is a parameter whose type the statement does not tell; kind is its type on PostgreSQL.
func (d Dialect) Param(kind string) string {
	if d == Postgres {
		return "?::" + kind
	}
	return "?"
}

// Clock is the time when the statement that reads it began, for AdvanceClock; NULL on SQLite, whose
// time is this process's.
func (d Dialect) Clock() string {
	if d == Postgres {
		return "statement_timestamp()"
	}
	return "NULL"
}

// RowClock is Clock for a statement that waits for locks: the time when each row was last read.
func (d Dialect) RowClock() string {
	if d == Postgres {
		return "clock_timestamp()"
	}
	return "NULL"
}

// NowParam is the expression for the current time; its argument is Reader.NowArg. It saves the query of Now.
func (d Dialect) NowParam() string {
	if d == Postgres {
		return "(statement_timestamp() + ?::bigint * INTERVAL '1 microsecond')"
	}
	return "?"
}

// Contains is the condition that a column of Strings contains the text of its parameter.
func (d Dialect) Contains(column string) string {
	if d == Postgres {
		return "EXISTS (SELECT 1 FROM json_array_elements_text(" + column + "::json) AS held(item) WHERE held.item = ?)"
	}
	return "EXISTS (SELECT 1 FROM json_each(" + column + ") WHERE value = ?)"
}

// Hour is the hour of a time column, counted from 1970 on.
func (d Dialect) Hour(column string) string {
	if d == Postgres {
		return "hour_of(" + column + ")"
	}
	return column + " / 3600000000"
}

// Leading is the condition that a column has the value of its parameter, of a kind: uuid or text. A list in the order
// of this column, then of another, is read from an index of the two.
func (d Dialect) Leading(column, kind string) string {
	if d == Postgres { // it would drop a column with = from the order, and be free to read another index
		return column + " = ANY(ARRAY[?::" + kind + "])"
	}
	return column + " = ?"
}

// Position is where the text of a parameter begins in a column, from 1 on; 0 where it is not there.
func (d Dialect) Position(column string) string {
	if d == Postgres {
		return "POSITION(? IN " + column + ")"
	}
	return "INSTR(" + column + ", ?)"
}

// RecordsOf is a subquery over a ListOf records of a type, with a column for each json tag. A Time travels as
// microseconds.
func RecordsOf[T any](d Dialect) string {
	key := recordsKey{reflect.TypeFor[T](), d}
	if known, ok := knownRecords.Load(key); ok {
		return known.(string)
	}
	query := d.records(recordFields(key.record))
	knownRecords.Store(key, query)
	return query
}

// knownRecords are the answers of RecordsOf, by recordsKey: hot statements ask for theirs each time.
var knownRecords sync.Map

type recordsKey struct {
	record  reflect.Type
	dialect Dialect
}

func (d Dialect) records(fields []recordField) string {
	names, exprs, arrays := make([]string, len(fields)), make([]string, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		names[i], exprs[i] = f.name, f.name
		e, err := elementOf(f.kind)
		if err != nil {
			panic(fmt.Sprintf("record: column %s: %v", f.name, err))
		}
		switch {
		case d == SQLite:
			exprs[i] = fmt.Sprintf("json_extract(value, '$.%s') AS %s", f.name, f.name)
		case f.kind == reflect.TypeFor[Time](), f.kind == reflect.TypeFor[*Time]():
			exprs[i] = fmt.Sprintf("'epoch'::timestamptz + %s * INTERVAL '1 microsecond' AS %s", f.name, f.name)
		}
		arrays[i] = "?::" + e.name + "[]"
	}
	if d == Postgres {
		return fmt.Sprintf("(SELECT %s FROM unnest(%s) AS x(%s))",
			strings.Join(exprs, ", "), strings.Join(arrays, ", "), strings.Join(names, ", "))
	}
	return "(SELECT " + strings.Join(exprs, ", ") + " FROM json_each(?))"
}
