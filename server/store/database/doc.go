// Package database runs SQL on PostgreSQL or on a SQLite file. It knows no table: statements, records and the
// migrations come from the caller. It is the only package that imports a database driver.
//
//	DB ──┬─ Reader, Session   queries outside of a transaction
//	     ├─ Snapshot          queries that all see the same moment
//	     ├─ InTx ─ Tx         reads and writes; hints are sent after the commit
//	     ├─ Subscribe, Run    hints within a process, and through PostgreSQL to the other servers
//	     ├─ Migrate           goose, under an advisory lock
//	     └─ Copy              SQLite into an empty PostgreSQL, compared before the commit
//
// The files by subject: connections (database.go, dsn.go, postgres.go, postgres_conn.go with its prepared
// statements, failover.go, sqlite.go, lock_file.go) and what they are for (use.go), transactions (tx.go,
// reader.go, batch.go), what differs between the databases (dialect.go, param.go, column.go, sql_state.go),
// lists (page.go), notifications (notify.go, listen.go, subscription.go), schema (migrate.go, copy.go) and
// metrics (metric.go).
//
// # Time
//
// The database's time decides. A transaction reads it once, after its locks, or takes it along with another
// statement (Dialect.Clock, AdvanceClock). Times have microseconds.
//
// # Parameters
//
// Queries have question marks on both databases. Lists and records travel as one parameter each (ListOf) and
// are read with Dialect.List and RecordsOf.
package database
