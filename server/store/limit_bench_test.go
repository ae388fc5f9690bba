package store_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

// BenchmarkFullCycleLimit is what the database can do: pgbench writes what BenchmarkFullCycle writes, with as many clients
// as that has workers. One operation is one run.
func BenchmarkFullCycleLimit(b *testing.B) { benchLimit(b, cycletest.Process()) }

// BenchmarkKubernetesCycleLimit is that of BenchmarkKubernetesCycle.
func BenchmarkKubernetesCycleLimit(b *testing.B) { benchLimit(b, cycletest.Kubernetes()) }

func benchLimit(b *testing.B, path cycletest.Path) {
	s := storetest.PostgreSQL(b, storetest.WallClock)
	cycletest.Fill(b, s, 0)
	script := path.Script(b, s)
	const together = cycletest.Batch * cycletest.Workers
	runs := (b.N + together - 1) / together * together
	cycletest.Create(b, s, runs)
	before := wal(b, s)
	b.ResetTimer()
	took := cycletest.Pgbench(b, s.URL, script, runs)
	b.StopTimer()
	b.ReportMetric((wal(b, s)-before)/float64(runs), "WAL-B/op")
	b.ReportMetric(float64(runs)/took.Seconds(), "runs/s")
	ended := figure(b, s, "SELECT COUNT(*) FROM runs WHERE state_type = 'COMPLETED'")
	if want := float64(runs) + 1; ended != want { // and the one that the script was made from
		b.Fatalf("pgbench ended %.0f of %.0f runs", ended, want)
	}
}

// BenchmarkBulkCreateLimit copies the rows that BenchmarkBulkCreate makes, a thousand in a transaction. One
// operation is one run.
func BenchmarkBulkCreateLimit(b *testing.B) {
	s := storetest.PostgreSQL(b, storetest.WallClock)
	cycletest.Fill(b, s, 1)
	db, err := sql.Open("postgres", s.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	runs, ready := like(b, db, "runs"), like(b, db, "ready")
	b.ResetTimer()
	for n := b.N; n > 0; n -= 1000 {
		ids := make([]any, min(n, 1000))
		for i := range ids {
			ids[i] = must[uuid.UUID](b)(uuid.NewV7())
		}
		tx := must[*sql.Tx](b)(db.BeginTx(b.Context(), nil))
		runs.copy(b, tx, ids)
		ready.copy(b, tx, ids)
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// copied is a table and the values that its rows have but for the id.
type copied struct {
	table   string
	columns []string
	values  []any
	id      int // which column it is
}

// like takes the values from the one row that the table has.
func like(b *testing.B, db *sql.DB, table string) copied {
	b.Helper()
	c := copied{table: table}
	named, err := db.QueryContext(b.Context(), `SELECT column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'`, table)
	if err != nil {
		b.Fatal(err)
	}
	defer named.Close()
	for named.Next() {
		var name string
		if err := named.Scan(&name); err != nil {
			b.Fatal(err)
		}
		if name == "id" || name == "run_id" {
			c.id = len(c.columns)
		}
		c.columns = append(c.columns, name)
	}
	c.values = make([]any, len(c.columns))
	into := make([]any, len(c.columns))
	for i := range into {
		into[i] = &c.values[i]
	}
	if err := db.QueryRowContext(b.Context(), "SELECT "+strings.Join(c.columns, ", ")+" FROM "+table).Scan(into...); err != nil {
		b.Fatal(err)
	}
	for i, v := range c.values {
		if text, ok := v.([]byte); ok { // ids come so
			c.values[i] = string(text)
		}
	}
	return c
}

func (c copied) copy(b *testing.B, tx *sql.Tx, ids []any) {
	b.Helper()
	statement := must[*sql.Stmt](
		b)(tx.PrepareContext(b.Context(), "COPY "+c.table+" ("+strings.Join(c.columns, ", ")+") FROM STDIN"))
	for _, id := range ids {
		c.values[c.id] = id
		if _, err := statement.ExecContext(b.Context(), c.values...); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := statement.ExecContext(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := statement.Close(); err != nil {
		b.Fatal(err)
	}
}
