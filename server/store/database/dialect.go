package database

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// Dialect is all that differs between the databases in the SQL of this package.
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

// List is a subquery with the column item over a parameter made by listOf values; kind is uuid or text.
func (d Dialect) List(kind string) string {
	if d == Postgres {
		return "(SELECT unnest(?::" + kind + "[]) AS item)"
	}
	return "(SELECT value AS item FROM json_each(?))"
}

// Clock is the time when the statement that reads it began, for Tx.tell; NULL on SQLite, which has this
// process's.
func (d Dialect) Clock() string {
	if d == Postgres {
		return "statement_timestamp()"
	}
	return "NULL"
}

// RowClock is clock for a statement that waits for locks: the time when each row was read, for the last
// time.
func (d Dialect) RowClock() string {
	if d == Postgres {
		return "clock_timestamp()"
	}
	return "NULL"
}

// NowParam is Tx.nowArg: the time that Tx.now is about to be, without asking for it before.
func (d Dialect) NowParam() string {
	if d == Postgres {
		return "(statement_timestamp() + ?::bigint * INTERVAL '1 microsecond')"
	}
	return "?"
}

// Contains is the condition that a column of texts holds the one of its parameter.
func (d Dialect) Contains(column string) string {
	if d == Postgres {
		return "EXISTS (SELECT 1 FROM json_array_elements_text(" + column + "::json) AS held(item) WHERE held.item = ?)"
	}
	return "EXISTS (SELECT 1 FROM json_each(" + column + ") WHERE value = ?)"
}

// Records is a subquery over a parameter made by listOf records. A column is given as its name and one of
// uuid, text, integer, bigint, boolean and time; a time travels as micros.
func (d Dialect) Records(columns ...string) string {
	columns = slices.Sorted(slices.Values(columns)) // as the arrays come
	names, exprs, arrays := make(
		[]string,
		len(columns),
	), make(
		[]string,
		len(columns),
	), make(
		[]string,
		len(columns),
	)
	for i, column := range columns {
		name, kind, _ := strings.Cut(column, " ")
		names[i], exprs[i] = name, name
		switch {
		case d == SQLite:
			exprs[i] = fmt.Sprintf("json_extract(value, '$.%s') AS %s", name, name)
		case kind == "time":
			exprs[i] = fmt.Sprintf("'epoch'::timestamptz + %s * INTERVAL '1 microsecond' AS %s", name, name)
			kind = "bigint"
		}
		arrays[i] = "?::" + kind + "[]"
	}
	if d == Postgres {
		return "(SELECT " + strings.Join(
			exprs,
			", ",
		) + " FROM unnest(" + strings.Join(
			arrays,
			", ",
		) + ") AS x(" + strings.Join(
			names,
			", ",
		) + "))"
	}
	return "(SELECT " + strings.Join(exprs, ", ") + " FROM json_each(?))"
}

// Micros is a time in a record.
type Micros int64

func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

func (s *Time) Micros() *Micros {
	if s == nil {
		return nil
	}
	m := MicrosOf(time.Time(*s))
	return &m
}
