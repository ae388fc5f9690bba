// Package cycletest takes runs from due to completed, as workers do, for benchmarks: what that costs, and what is as
// fast as PostgreSQL can be about it.
//
//	path.go      the reports of a run's way: that of a process worker, and that of a Kubernetes worker
//	cycle.go     claims and reports of several workers beside each other, in batches of a hundred
//	cost.go      rows, index entries and write-ahead log of a run
//	script.go    a pgbench script that writes the same rows: made from the rows that a run has written
//	contest.go   rounds in turns, for competitors that have to feel the same machine
package cycletest
