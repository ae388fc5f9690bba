package cycletest

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/store/storetest"
)

// Script returns a pgbench script that takes a hundred runs from due to completed: it writes the same rows to the same
// tables, with as many transactions, but decides nothing, checks nothing, and sends back no more than IDs. One run goes
// its way through the store for it, and each step of it becomes the statements that make the same difference.
//
// Of that run come the values, but for IDs and times. An attempt has the ID of its run, which is as good for an index.
func (p Path) Script(t testing.TB, s *storetest.Store) string {
	t.Helper()
	db, err := sql.Open("postgres", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	Create(t, s, 1)
	before := read(t, db)
	claims, err := claim(t.Context(), s, workerName(0), 1)
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %d runs: %v", len(claims), err)
	}
	names := map[string]string{
		"'" + claims[0].RunID.String() + "'": "run_id", "'" + claims[0].AttemptID.String() + "'": "run_id",
	}
	after := read(t, db)
	var script strings.Builder
	script.WriteString(claimScript(differences(before, after), names))
	for i := range p {
		before = after
		if err := p.step(t.Context(), s, workerName(0), i, claims); err != nil {
			t.Fatal(err)
		}
		after = read(t, db)
		script.WriteString(reportScript(differences(before, after), names))
	}
	return script.String()
}

// tables are written on a run's way, in the order of their locks.
func tables() []string {
	return []string{"worker_sessions", "ready", "live", "attempts", "runs", "manifests", "events"}
}

// value is that of a column, as a literal of SQL.
type value struct{ kind, literal string }

// row has values by column, rows by their place.
type (
	row  map[string]value
	rows map[string]row
)

// key tells the rows of a table apart: a run that goes its way has one of each, and several events.
func (r row) key() string {
	for _, column := range []string{"run_id", "id"} {
		if v, ok := r[column]; ok {
			return v.literal + r["seq"].literal
		}
	}
	return ""
}

// read returns the rows of all tables.
func read(t testing.TB, db *sql.DB) map[string]rows {
	t.Helper()
	all := map[string]rows{}
	for _, table := range tables() {
		found, err := readTable(t, db, table)
		if err != nil {
			t.Fatalf("read table %s: %v", table, err)
		}
		all[table] = found
	}
	return all
}

func readTable(t testing.TB, db *sql.DB, table string) (rows, error) {
	columns, err := readColumns(t, db, table)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(columns))
	literals := make([]string, len(names))
	for i, name := range names {
		literals[i] = "quote_nullable(" + name + "::text)"
	}
	found, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(literals, ", ")+" FROM "+table)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	all := rows{}
	for found.Next() {
		texts, into := make([]string, len(names)), make([]any, len(names))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		one := row{}
		for i, name := range names {
			one[name] = value{columns[name], texts[i]}
		}
		all[one.key()] = one
	}
	return all, found.Err()
}

// readColumns returns the types of the columns of a table that are written.
func readColumns(t testing.TB, db *sql.DB, table string) (map[string]string, error) {
	found, err := db.QueryContext(t.Context(), `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'`, table)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns := map[string]string{}
	for found.Next() {
		var name, kind string
		if err := found.Scan(&name, &kind); err != nil {
			return nil, err
		}
		columns[name] = kind
	}
	return columns, found.Err()
}

// difference is what happened to a row.
type difference struct {
	table         string
	before, after row // nil: there was, or is, none
}

func differences(before, after map[string]rows) []difference {
	var all []difference
	for _, table := range tables() {
		for key, was := range before[table] {
			if is := after[table][key]; !maps.Equal(was, is) {
				all = append(all, difference{table, was, is})
			}
		}
		for key, is := range after[table] {
			if before[table][key] == nil {
				all = append(all, difference{table, nil, is})
			}
		}
	}
	return all
}

// values are the columns that an INSERT or an UPDATE sets, with their expressions.
func (d difference) values(names map[string]string) (columns, expressions []string) {
	for _, column := range slices.Sorted(maps.Keys(d.after)) {
		v := d.after[column]
		if d.before[column] == v {
			continue
		}
		columns, expressions = append(columns, column), append(expressions, v.expression(names))
	}
	return columns, expressions
}

func (v value) expression(names map[string]string) string {
	switch name, ok := names[v.literal]; {
	case ok:
		return name
	case v.literal == "NULL":
		return "NULL::" + v.kind
	case v.kind == "timestamp with time zone":
		return "clock_timestamp()"
	case strings.Contains(v.literal, ":"): // with which the names of pgbench's variables begin
		return "E" + strings.ReplaceAll(strings.TrimPrefix(v.literal, "E"), ":", `\x3a`) + "::" + v.kind
	}
	return v.literal + "::" + v.kind
}

// insert is the statement for rows whose runs come from a table expression.
func (d difference) insert(names map[string]string, from string) string {
	columns, expressions := d.values(names)
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s",
		d.table, strings.Join(columns, ", "), strings.Join(expressions, ", "), from)
}

func (d difference) update(names map[string]string, where string) string {
	columns, expressions := d.values(names)
	for i, column := range columns {
		expressions[i] = column + " = " + expressions[i]
	}
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s", d.table, strings.Join(expressions, ", "), where)
}

// claimScript takes a hundred rows out of ready, as a claim does: under the pool's lock, skipping what others have locked.
func claimScript(all []difference, names map[string]string) string {
	var taken row
	var inserts, updates []string
	for _, d := range all {
		switch {
		case d.table == "ready":
			taken = d.before
		case d.before == nil:
			inserts = append(inserts, fmt.Sprintf("inserted_%d AS (%s)", len(inserts), d.insert(names, "claimed")))
		default:
			updates = append(updates, d.update(names, "worker = 'w' || :client_id"))
		}
	}
	return fmt.Sprintf(`BEGIN;
SELECT pg_advisory_xact_lock_shared(1886351212, hashtext('p'));
SELECT id FROM worker_sessions WHERE worker = 'w' || :client_id FOR NO KEY UPDATE;
%s;
WITH due AS (
	SELECT deployment_id, run_id FROM ready
	WHERE queue_id = %s::uuid AND NOT limited AND due_at <= clock_timestamp()
	ORDER BY due_at, run_id
	LIMIT %d
	FOR UPDATE SKIP LOCKED
), claimed AS (
	DELETE FROM ready WHERE (deployment_id, run_id) IN (SELECT deployment_id, run_id FROM due) RETURNING run_id
), %s
SELECT array_agg(run_id) AS runs FROM claimed \gset
COMMIT;
`, strings.Join(updates, ";\n"), taken["queue_id"].literal, Batch, strings.Join(inserts, ", "))
}

// reportScript does with the claimed runs what a report does.
func reportScript(all []difference, names map[string]string) string {
	const claimed = "(SELECT unnest(:runs::uuid[]) AS run_id) AS claimed"
	var script strings.Builder
	script.WriteString("BEGIN;\n")
	for _, d := range all {
		which := "run_id = ANY (:runs::uuid[])"
		switch d.table {
		case "runs":
			which = "id = ANY (:runs::uuid[])"
		case "live":
			which = "attempt_id = ANY (:runs::uuid[])"
		}
		switch {
		case d.before == nil:
			script.WriteString(d.insert(names, claimed))
		case d.after == nil:
			script.WriteString("DELETE FROM " + d.table + " WHERE " + which)
		default:
			script.WriteString(d.update(names, which))
		}
		script.WriteString(";\n")
	}
	script.WriteString("COMMIT;\n")
	return script.String()
}
