package store

import (
	"encoding/json"
	"fmt"
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

// list is a subquery with the column item over a parameter made by jsonText of a list; kind is uuid or text.
func (d dialect) list(kind string) string {
	if d == postgres {
		return "(SELECT value::" + kind + " AS item FROM json_array_elements_text(?::json))"
	}
	return "(SELECT value AS item FROM json_each(?))"
}

// holds is the condition that a column of texts holds the one of its parameter.
func (d dialect) holds(column string) string {
	if d == postgres {
		return "EXISTS (SELECT 1 FROM json_array_elements_text(" + column + "::json) AS held(item) WHERE held.item = ?)"
	}
	return "EXISTS (SELECT 1 FROM json_each(" + column + ") WHERE value = ?)"
}

// records is a subquery over a parameter made by jsonText of a list of objects: many rows in one parameter. A column
// is given as its name and one of uuid, text, integer, bigint, boolean and time; a time travels as micros.
func (d dialect) records(columns ...string) string {
	exprs, types := make([]string, len(columns)), make([]string, len(columns))
	for i, column := range columns {
		name, kind, _ := strings.Cut(column, " ")
		exprs[i] = name
		switch {
		case d == sqlite:
			exprs[i] = fmt.Sprintf("json_extract(value, '$.%s') AS %s", name, name)
		case kind == "time":
			exprs[i] = fmt.Sprintf("'epoch'::timestamptz + %s * INTERVAL '1 microsecond' AS %s", name, name)
			kind = "bigint"
		}
		types[i] = name + " " + kind
	}
	if d == postgres {
		return "(SELECT " + strings.Join(exprs, ", ") + " FROM json_to_recordset(?::json) AS x(" + strings.Join(types, ", ") + "))"
	}
	return "(SELECT " + strings.Join(exprs, ", ") + " FROM json_each(?))"
}

// jsonText is the parameter of list and records.
func jsonText[T any](rows []T) (string, error) {
	if rows == nil {
		return "[]", nil // and not null, which is no list
	}
	b, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("encode rows: %w", err)
	}
	return string(b), nil
}

// micros is a time in a record.
type micros int64

func microsAt(t time.Time) micros { return micros(t.UnixMicro()) }

func (s *stamp) micros() *micros {
	if s == nil {
		return nil
	}
	m := microsAt(time.Time(*s))
	return &m
}
