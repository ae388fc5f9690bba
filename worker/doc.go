// Package worker claims attempts of one work pool, renders them, makes a runtime run them and tells the
// server what became of them. Run is one worker, from its greeting to its end.
//
// The parts, each a loop of its own or a plain function:
//
//	claim.go    long poll for work and cancels; as many as there are free slots
//	begin.go    one attempt from its claim to its Job: prepare, report the manifest, launch or adopt
//	prepare.go  render input -> rendered template -> finished Job manifest; restore.go: the one an earlier holder has reported
//	launch.go   until the Job is there, or until that is not wanted or possible any more
//	hold.go     the table of attempts held: epoch, lease by our own clock, what is known and what was said of each
//	renew.go    one call for all leases
//	decide.go   pure: which reports are due, and what an answer means
//	report.go   sends what is due, in batches
//	output.go   output until the server has it, in bounded memory; sendoutput.go sends it
//	resync.go   Jobs that nobody here launched
//	stop.go     the way out: hand back, end the runtime, flush
//
// What must hold:
//
//   - Reports are levels, not messages. What is known of an attempt is compared with what the server has accepted, and the
//     difference is due. While the server is away the newest observation replaces the older ones; an end is never replaced.
//   - The manifest is accepted by the server before the Job is created, so whoever takes over sends the same bytes.
//   - The lease is ours by our own clock, counted from before the question was asked, when a Job is created.
//   - A worker that stops cancels nothing. What was certainly not created is handed back; the rest is taken over.
//   - The outcome waits a moment for the last output, and never depends on it.
//   - A loop that can not go on ends the process, loudly.
package worker
