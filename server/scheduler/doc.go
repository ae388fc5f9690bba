// Package scheduler creates the runs of schedules.
//
// Every server runs a Scheduler. A server reserves a batch of due schedules for a while, decides the slots of
// each up to now, creates their runs, and stores how far it got. A server that dies in between leaves the
// schedule to the next server, which decides the same slots again: the run of a slot has an idempotency key
// made of schedule and instant, so that a slot never has two runs.
//
// What to do with a slot is decided by pure functions in package schedule: the misfire policy says which
// missed slots still run, the overlap policy what happens while an earlier run is live.
package scheduler
