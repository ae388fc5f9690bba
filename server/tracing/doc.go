// Package tracing sends the spans of runs to a receiver of OpenTelemetry. It is off unless the environment names one, and is
// configured by the variables OTEL_… that other programs understand (docs/tracing.md).
//
//	run ──┬── wait       from when the run was due until the attempt was claimed
//	      ├── attempt ─┬── render    until the worker had made the Job's manifest
//	      │            ├── launch    until the Job existed
//	      │            ├── pending   until its container ran
//	      │            ├── execute   until the attempt ended
//	      │            └── record    until the server had stored that
//	      └── rerun      after a run that had ended was retried by hand
//
// # Delivery
//
// The transaction that ends an attempt or a run also writes a row (store.WatchTraces). All servers look for rows every few
// seconds; the one that takes a row reads the stored times, sends the spans and deletes the row. So a span exists if and only if
// the change was committed, whichever server recorded it, and it is sent once while nothing fails. A server that ends between
// sending and deleting leaves the row to another, which sends the same spans again: their IDs are computed from the run
// (templating/runtrace) and their times are stored, so that the second is equal to the first. OTLP acknowledges a request and no
// more, so this is at-least-once; a receiver that keeps spans by their ID has each once.
//
// Nothing that claims or reports waits for a receiver. A server has one batch in memory. While the receiver is away, rows wait in
// the database, for a day and in a number that is bounded; what is dropped then is counted.
package tracing
