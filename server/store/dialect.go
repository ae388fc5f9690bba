package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// dialect is all that differs between the databases in the SQL of this package.
type dialect string

const (
	postgres dialect = "postgres"
	sqlite   dialect = "sqlite"
)

// bind writes the placeholders of the database.
func (d dialect) bind(query string) string {
	if d == postgres {
		return sqlx.Rebind(sqlx.DOLLAR, query)
	}
	return query
}

// lock is the locking clause of a SELECT. SQLite has one writer, so that there is nothing to lock.
func (d dialect) lock(clause string) string {
	if d == postgres {
		return " " + clause
	}
	return ""
}

// list is a subquery with the column item over a parameter made by listOf values; kind is uuid or text.
func (d dialect) list(kind string) string {
	if d == postgres {
		return "(SELECT unnest(?::" + kind + "[]) AS item)"
	}
	return "(SELECT value AS item FROM json_each(?))"
}

// clock is the time when the statement that reads it began, for Tx.tell; NULL on SQLite, which has this
// process's.
func (d dialect) clock() string {
	if d == postgres {
		return "statement_timestamp()"
	}
	return "NULL"
}

// clockWhenRead is clock for a statement that waits for locks: the time when each row was read, for the last
// time.
func (d dialect) clockWhenRead() string {
	if d == postgres {
		return "clock_timestamp()"
	}
	return "NULL"
}

// nowParam is Tx.nowArg: the time that Tx.now is about to be, without asking for it before.
func (d dialect) nowParam() string {
	if d == postgres {
		return "(statement_timestamp() + ?::bigint * INTERVAL '1 microsecond')"
	}
	return "?"
}

// holds is the condition that a column of texts holds the one of its parameter.
func (d dialect) holds(column string) string {
	if d == postgres {
		return "EXISTS (SELECT 1 FROM json_array_elements_text(" + column + "::json) AS held(item) WHERE held.item = ?)"
	}
	return "EXISTS (SELECT 1 FROM json_each(" + column + ") WHERE value = ?)"
}

// records is a subquery over a parameter made by listOf records. A column is given as its name and one of
// uuid, text, integer, bigint, boolean and time; a time travels as micros.
func (d dialect) records(columns ...string) string {
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
		case d == sqlite:
			exprs[i] = fmt.Sprintf("json_extract(value, '$.%s') AS %s", name, name)
		case kind == "time":
			exprs[i] = fmt.Sprintf("'epoch'::timestamptz + %s * INTERVAL '1 microsecond' AS %s", name, name)
			kind = "bigint"
		}
		arrays[i] = "?::" + kind + "[]"
	}
	if d == postgres {
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

// micros is a time in a record.
type micros int64

func microsAt(t time.Time) micros { return micros(t.UnixMicro()) }

func (m micros) time() time.Time { return time.UnixMicro(int64(m)).UTC() }

func (s *stamp) micros() *micros {
	if s == nil {
		return nil
	}
	m := microsAt(time.Time(*s))
	return &m
}
