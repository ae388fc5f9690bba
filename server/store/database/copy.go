package database

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
)

// CopyProgress is how far copying has come.
type CopyProgress struct {
	Table string
	Rows  int64
	// Compared: the rows were read again from both databases and are the same.
	Compared bool
}

// copyTable is a table as PostgreSQL has it; SQLite has the same columns.
type copyTable struct {
	name    string
	columns []copyColumn
}

type copyColumn struct{ name, kind string }

func (t copyTable) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// CopyOptions of a copy.
type CopyOptions struct {
	// Replaced is a table that a migration filled: its rows in the target give way to those of the source.
	Replaced string
	Progress func(CopyProgress) // called after each table, twice
}

// Copy copies everything from SQLite into an empty PostgreSQL database in one transaction, and compares it
// before the commit. Both must have the same schema.
func Copy(ctx context.Context, from, to *DB, o CopyOptions) error {
	if from.dialect != SQLite || to.dialect != Postgres {
		return errors.New("copying goes from SQLite to PostgreSQL")
	}
	// One transaction on each side: nothing changes while it is copied, and no one sees half a copy.
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	return from.inTx(ctx, func(source *Tx) error {
		return to.inTx(ctx, func(target *Tx) error {
			if _, err := target.Exec(ctx, copySettingsSQL); err != nil {
				return err
			}
			return copyAll(ctx, source, target, o)
		})
	})
}

// copyTimeout bounds a copy, which takes minutes for millions of runs.
const copyTimeout = 24 * time.Hour

// The copy is one statement per table, and one side waits while the other is read.
const copySettingsSQL = `
SELECT set_config('statement_timeout', '0', TRUE), set_config('idle_in_transaction_session_timeout', '0', TRUE)`

func copyAll(ctx context.Context, from, to *Tx, o CopyOptions) error {
	tables, err := to.tables(ctx)
	if err != nil {
		return err
	}
	if err := to.refuseFilled(ctx, tables, o.Replaced); err != nil {
		return err
	}

	for _, t := range tables {
		n, err := copyRows(ctx, from, to, t)
		if err != nil {
			return fmt.Errorf("copy table %s: %w", t.name, err)
		}
		o.Progress(CopyProgress{Table: t.name, Rows: n})
	}
	for _, t := range tables {
		n, err := compareRows(ctx, from, to, t)
		if err != nil {
			return fmt.Errorf("compare table %s: %w", t.name, err)
		}
		o.Progress(CopyProgress{Table: t.name, Rows: n, Compared: true})
	}
	return nil
}

const (
	copyTablesSQL = `
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace
	AND c.relkind IN ('r', 'p')
	AND NOT c.relispartition
	AND c.relname <> ?
ORDER BY c.relname`
	copyColumnsSQL = `
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS kind
FROM pg_attribute a
WHERE a.attrelid = ?::regclass
	AND a.attnum > 0
	AND NOT a.attisdropped
	AND a.attgenerated = ''
ORDER BY a.attnum`
	copyReferencesSQL = `
SELECT conrelid::regclass::text AS table_name, confrelid::regclass::text AS refers_to
FROM pg_constraint
WHERE contype = 'f'
	AND connamespace = current_schema()::regnamespace
	AND conrelid <> confrelid`
)

// tables lists the tables so that one comes after those it refers to.
func (tx *Tx) tables(ctx context.Context) ([]copyTable, error) {
	var names []string
	if err := tx.All(ctx, &names, copyTablesSQL, migrationTable); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var references []struct {
		Table    string `db:"table_name"`
		RefersTo string `db:"refers_to"`
	}
	if err := tx.All(ctx, &references, copyReferencesSQL); err != nil {
		return nil, fmt.Errorf("list references between tables: %w", err)
	}
	var ordered []copyTable
	done := map[string]bool{}
	for len(names) > 0 {
		i := slices.IndexFunc(names, func(name string) bool {
			for _, r := range references {
				if r.Table == name && !done[r.RefersTo] && slices.Contains(names, r.RefersTo) {
					return false
				}
			}
			return true
		})
		if i < 0 {
			return nil, fmt.Errorf("tables %s refer to each other", strings.Join(names, ", "))
		}
		t := copyTable{name: names[i]}
		var columns []struct{ Name, Kind string }
		if err := tx.All(ctx, &columns, copyColumnsSQL, t.name); err != nil {
			return nil, fmt.Errorf("list the columns of %s: %w", t.name, err)
		}
		for _, c := range columns {
			t.columns = append(t.columns, copyColumn{c.Name, c.Kind})
		}
		ordered, done[t.name] = append(ordered, t), true
		names = slices.Delete(names, i, i+1)
	}
	return ordered, nil
}

func (tx *Tx) refuseFilled(ctx context.Context, tables []copyTable, replaced string) error {
	for _, t := range tables {
		if t.name == replaced {
			continue
		}
		var filled bool
		if err := tx.Get(ctx, &filled, "SELECT EXISTS (SELECT 1 FROM "+pq.QuoteIdentifier(t.name)+")"); err != nil {
			return fmt.Errorf("read table %s: %w", t.name, err)
		}
		if filled {
			return &Error{
				Code: Conflict,
				Message: fmt.Sprintf(
					"the database is not empty: table %s has rows; copy into a new one",
					t.name,
				),
			}
		}
	}
	_, err := tx.Exec(ctx, "DELETE FROM "+pq.QuoteIdentifier(replaced))
	return err
}

func (t copyTable) selectSQL() string {
	return "SELECT " + t.columnsSQL() + " FROM " + pq.QuoteIdentifier(t.name)
}

func (t copyTable) copySQL() string {
	return "COPY " + pq.QuoteIdentifier(t.name) + " (" + t.columnsSQL() + ") FROM STDIN"
}

func (t copyTable) columnsSQL() string {
	names := t.names()
	for i, name := range names {
		names[i] = pq.QuoteIdentifier(name)
	}
	return strings.Join(names, ", ")
}

func copyRows(ctx context.Context, from, to *Tx, t copyTable) (n int64, err error) {
	statement, err := to.tx.PrepareContext(ctx, t.copySQL())
	if err != nil {
		return 0, classify(err)
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	err = from.eachRow(ctx, t, func(values []any) error {
		n++
		_, err := statement.ExecContext(ctx, values...)
		return err
	})
	if err == nil {
		_, err = statement.ExecContext(ctx)
	}
	return n, classify(err)
}

// eachRow reads a table, with values as PostgreSQL has them.
func (tx *Tx) eachRow(ctx context.Context, t copyTable, do func(values []any) error) (err error) {
	rows, err := tx.tx.QueryxContext(ctx, t.selectSQL())
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		values, err := rows.SliceScan()
		if err != nil {
			return err
		}
		for i, c := range t.columns {
			if values[i], err = c.value(values[i]); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// value is a column's value in one form, whichever database it comes from.
func (c copyColumn) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		if c.kind == "bytea" {
			return v, nil
		}
		return c.value(string(v))
	case string:
		if c.kind == "bytea" {
			return []byte(v), nil
		}
		return v, nil
	case time.Time:
		return v.UTC(), nil
	case bool:
		return v, nil
	case float64:
		return v, nil
	case int64:
		switch c.kind {
		case "timestamp with time zone":
			return time.UnixMicro(v).UTC(), nil
		case "boolean":
			return v != 0, nil
		}
		return v, nil
	}
	return nil, fmt.Errorf("copy column %q: unexpected value %v", c.name, v)
}

// compareRows reads a table from both databases. The rows' hashes are added up, for the databases have no
// order in common.
func compareRows(ctx context.Context, from, to *Tx, t copyTable) (int64, error) {
	sourceRows, sourceSum, err := from.sum(ctx, t)
	if err != nil {
		return 0, err
	}
	targetRows, targetSum, err := to.sum(ctx, t)
	if err != nil {
		return 0, err
	}
	if sourceRows != targetRows || sourceSum != targetSum {
		return 0, fmt.Errorf(
			"SQLite has %d rows and PostgreSQL %d, and they are not the same",
			sourceRows,
			targetRows,
		)
	}
	return sourceRows, nil
}

func (tx *Tx) sum(ctx context.Context, t copyTable) (n int64, sum [2]uint64, err error) {
	err = tx.eachRow(ctx, t, func(values []any) error {
		n++
		hash := sha256.New()
		for _, v := range values {
			text := "-" // NULL
			switch v := v.(type) {
			case nil:
			case []byte:
				text = "+" + string(v)
			case time.Time:
				text = fmt.Sprintf("+%d", v.UnixMicro())
			default:
				text = fmt.Sprintf("+%v", v)
			}
			if _, err := fmt.Fprintf(hash, "%d:%s", len(text), text); err != nil {
				return err
			}
		}
		digest := hash.Sum(nil)
		const half = 8
		sum[0] += binary.BigEndian.Uint64(digest[:half])
		sum[1] += binary.BigEndian.Uint64(digest[half : 2*half])
		return nil
	})
	return n, sum, err
}
