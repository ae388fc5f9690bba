// Package store keeps pools, deployments, runs and all that belongs to them in PostgreSQL or in a SQLite
// file, and carries out in transactions what package lifecycle decides. It is the only place with SQL.
//
//	CreateRun ──► runs: SCHEDULED ──Claim──► PENDING ──Report──► RUNNING ──Report──► COMPLETED, FAILED, CRASHED
//	                     ▲                      │  attempts: one row per try, a slot while ended_at is NULL
//	                     └──── AwaitingRetry ◄──┴──── an end with a budget left; handed back
//	CancelRun: SCHEDULED ──► CANCELLED; PENDING, RUNNING ──► CANCELLING ──Report──► CANCELLED
//
// # Rules
//
// Writing happens in [Store.InTx] only. A change of a run's state goes through lockRuns, liveRun.move and
// saveRuns, which write the event and the hint with it.
//
// Locks are taken in one order: pool, deployment, runs by id, attempts by their run's id. On PostgreSQL (READ
// COMMITTED) a statement that locks rows reads those as they are once they are locked, but what it joins to
// them as it was when it began: it may join only what never changes, and what is read beside is read by a
// fresh statement. SQLite has one connection that writes, so its transactions follow each other.
//
// The database's time decides, read once per transaction after the locks (Tx.now); times have microseconds.
// Ids are UUIDs of version 7, made here. No sequence orders anything; a run's events are numbered under the
// lock of its row.
//
// Slots are counted from the attempts that have not ended, while the pool's row is locked. There is no
// counter that could drift. Where nothing in a pool is limited nothing is counted, and claims share the lock
// of its row (claim_beside.go); an advisory lock before it keeps them in one line with those who want it
// alone.
//
// Hints ([Store.Subscribe]) are sent after the commit, gathered for some milliseconds, and may get lost with
// a connection. Whoever waits for one subscribes first, then looks, and looks again now and then.
//
// A pool or a deployment that is deleted is only marked; it is gone for everybody, and [Store.Sweep] removes
// it with its runs when the last of them has ended.
//
// What has ended is kept for a time; [Store.Retain] removes it then. On PostgreSQL output lies in partitions
// of a day each (retain_logs.go).
//
// # Two databases
//
// The SQL is the same for both but for what type dialect does: placeholders, locking clauses, and lists and
// records passed as one parameter. JSON documents are text, as they were sent. Every test of this package
// runs on both.
//
// # A migration
//
// Add a file with the next number to migration/postgres and to migration/sqlite. It must work beside the
// release before it: add columns that are nullable or have a default, and drop them one release after the
// last that used them. Files that were released are never changed.
package store
