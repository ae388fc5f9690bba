// Package store keeps pools, deployments, runs and all that belongs to them in PostgreSQL or in a SQLite
// file, and carries out in transactions what package lifecycle decides. All statements about our tables are
// here; package database below runs them and knows no table.
//
//	               ready                      live                                  runs, attempts
//	CreateRun ──► SCHEDULED ──Claim──► PENDING ──Report──► RUNNING ──Report──► COMPLETED, FAILED, CRASHED
//	                  ▲                   │
//	                  └── AwaitingRetry ◄─┴── an end with a retry left; handed back
//	CancelRun: SCHEDULED ──► CANCELLED; PENDING, RUNNING ──► CANCELLING ──Report──► CANCELLED
//
// A run has its row in runs from its creation on, with all that is wide. It is written once more, when the run has
// ended. Until then, its state is that of one narrow row: in ready while it waits, in live while an attempt is under way.
// Whoever changes a run locks that row. An attempt that has ended is a row of attempts, which never changes.
//
//	Store ──embeds──► Reader ◄──embeds── Tx      Reader: every Get, Find, List and Count
//	  │                                  ▲       Tx: also Create, Update, Upsert, Delete, Lock and the verbs below
//	  └────────────── InTx ──────────────┘
//
// # Files
//
// A file name begins with its subject: pool, template, queue, deployment, schedule, run, attempt, claim, log,
// output, worker, key, variable, project, audit. Files of a subject that several others use: run_locked.go (the
// locked row of a run, in whichever table), run_save.go (moves it to the table of its state), run_row.go (the
// statements of that), attempt_live.go and attempt_report.go (the locked row of an attempt and what a report
// does to it). Across subjects: explain_facts.go, stats.go, sweep.go (what time brings),
// expire.go (removal by age), partition*.go (the layout of the tables of runs), domain.go (the public records).
//
// # Words
//
//	attempt        one try of a run: one row, one Job
//	claim          take attempts from the server; also an attempt as a worker gets it
//	session        one process of a worker
//	lease, epoch   the right of a session to act on its attempts, and the fencing number of each
//	take over      claim an attempt whose lease has expired: the same attempt under the next epoch
//	hand back      return an attempt that never started, as if it had not been claimed
//	renew          extend the lease of a session
//	release leases take attempts out of a session at once, so that another worker may take over
//	report         what a worker observed of an attempt
//	record         the store has saved an outcome
//	outcome        how an attempt ended: category, exit code, message
//	abandon        an operator ends a run whose worker or cluster is gone
//	queue          a part of a pool, with a priority and a limit
//	slot           what an attempt that has not ended takes of a limit
//	claim gate     a pool, queue or deployment whose limit or pause can keep a run from being claimed
//	line           what a deployment with a limit has in ready, in one queue
//	waiter         a goroutine's place in the process for a lock
//	hint           a notification that something may have changed
//	revision       a version of a deployment; templates have template versions
//	expire         remove by age; retention says for how long to keep
//	close          keep runs from a time on out of a table, so that it can become a partition
//	seal           keep the runs of a partition as they are, so that it can be emptied
//	output         what an attempt printed: its rows, then its object
//	object         the output of one ended attempt in the archive
//	archive        move output from the database into object storage
//
// Methods follow one grammar:
//
//	Get     one, NotFound when missing        Create, Update, Delete
//	Find    one or nil                        Upsert  create or update
//	List    a page or all, by a filter        Lock    Get, and lock until the transaction ends
//	Count   numbers                           Acquire take work for this server for a while
//
// # Rules
//
// Only [Store.InTx] writes. A writing method of Store is a transaction around the Tx method of the same name;
// Tx has more of them, for callers that combine changes. A change of a run's state goes through lockRuns,
// lockedRun.move and saveRuns, which write the event and the hint with it.
//
// Locks are taken in one order: pool (an advisory lock of claims, then the row), the advisory lock of the pool's runs,
// deployment, session, rows of live, of ready and of runs by the ID of their run. A claim skips rows of ready that are
// locked. On PostgreSQL (READ COMMITTED) a statement that locks rows reads these as they are when locked, but rows it
// joins to them as they were when it began. It may join only what never changes; everything else is read by the next
// statement. A run that is not found in one table may have moved to one that was read before, so that lockRuns looks
// again. SQLite has one connection that writes, so its transactions follow each other.
//
// The database's time decides. A transaction reads it once, after its locks. IDs are UUIDs of version 7, made
// here. No sequence orders anything; a run's events are numbered under the lock of its row.
//
// Slots are counted from the rows of live. There is no counter that could drift. A claim that could reach a limit has
// the pool for itself; the others share it, and count nothing. Creating runs excludes changes of their deployment by
// an advisory lock: a row lock that many share would be written with each run.
//
// Workers, sweeps and schedules have connections that requests of people never take: the context of a query says
// for whom it is ([ForPeople], [ForWork]).
//
// Hints ([Store.Subscribe]) are sent after the commit, collected for some milliseconds, and may get lost with
// a connection. A waiter subscribes first, then reads, and reads again from time to time.
//
// A pool or deployment that is deleted is only marked. No method returns it any longer, and [Store.Sweep]
// removes it with its runs when the last of them has ended.
//
// [Store.Expire] removes what ended long ago. On PostgreSQL output is partitioned by day (log_expire.go).
//
// # Partitions of runs
//
// On PostgreSQL, runs and the tables whose keys begin with the run (attempts, manifests, events) may be partitioned by the
// ID of the run, a week each:
//
//	runs_plain          runs_p20261207   …   runs_p20270104   runs_rest
//	up to the boundary  a week each, four of them ahead       all later IDs
//
// What the layout is, the catalog says. Statements, keys and indexes are the same on both, so that servers work while the
// layout changes. There is no default partition: PostgreSQL would sort lists that it now reads partition by partition, and
// would read the default partition for each new one. Instead the last one, of the rest, has no end, and once the first was
// dropped, the one of the past has no begin: no clock can make the creation of a run fail. An ID whose time is more than an
// hour from the database's gets the database's time.
//
// [Store.PartitionRuns] closes the plain tables at a boundary one to two weeks ahead (a check constraint, validated beside
// writers), and makes them the first partition in one transaction, which waits two seconds for its locks and is tried
// again. Whatever step fails, the next call continues. A boundary that comes near unused is taken back.
// [Store.MaintainPartitions] splits the rest in the same way. It takes the locks of the tables for some milliseconds a
// week: a transaction changes all four, which DETACH CONCURRENTLY could not, and leaves nothing half done.
//
// Retention leaves the runs of a week alone until the last of them is old, then empties the partition (partition_expire.go).
// A run that must stay keeps its partition for a week more; then the others are removed one by one.
//
// Output is appended to log_chunks; outputs says how far it is stored, and is locked while more is appended. Where
// there is an archive, package archiver moves it there after the end (output_archive.go). A read finds it in either
// place. An object that nothing refers to any longer is in output_deletions until it is deleted.
//
// # Two databases
//
// The SQL is the same for both, except for what database.Dialect produces: placeholders, locking clauses, and
// lists and records passed as one parameter. JSON documents are text, as they were sent. Every test of this
// package runs on both, and those of runs once more on PostgreSQL with partitions of half an hour.
//
// # Adding a migration
//
// Add a file with the next number to migration/postgres and to migration/sqlite. It must work beside the
// release before it: add columns that are nullable or have a default, and drop them one release after the
// last that used them. Files that were released are never changed.
//
// No migration after the first may rewrite a table, or read it while writers wait (migrate_lint_test.go): create
// indexes CONCURRENTLY in a file with "-- +goose NO TRANSACTION", add constraints NOT VALID and validate them
// in another file. Such a file can fail in the middle, so it must be able to run again.
//
// A table of runs may be partitioned. PostgreSQL creates no index CONCURRENTLY on a partitioned table: create it so on each
// partition, then on the table, which takes them over.
package store
