// Package dryrun asks the clusters of a work pool whether they would take the Job of a run.
//
// The server cannot reach clusters; workers can, and they only poll. So a question is a row, stored for as long as its
// asker waits:
//
//	asker ──▶ server A ──▶ dry_runs ──▶ server B ──▶ worker (with its poll, whatever its free slots)
//	                                                   │ prepares as for a launch, creates with dryRun=All
//	asker ◀── server A ◀── dry_runs ◀── server C ◀──── answer
//
// Hints wake both sides; both also look without one. The asker's server deletes the row when it has the answer, when the
// wait is over and when the asker goes away; the sweep deletes the rows of a server that has ended. An answer that
// comes after that is dropped.
//
// What a worker answers is bounded (Clean) before it is stored.
package dryrun
