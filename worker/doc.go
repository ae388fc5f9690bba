// Package worker claims attempts of one work pool, renders them, has a runtime run them and reports their
// outcomes to the server. [Run] runs one worker, from its greeting to its end.
//
// Its loops, and what they call:
//
//	greet.go        the first call: pool, type, cluster
//	claim.go        long poll for attempts and cancels, for as many attempts as there are free slots
//	launch.go       one attempt from its claim to its Job: prepare, report the manifest, launch or adopt
//	dry_run.go      questions whether the cluster would take a Job, which come with claims
//	handler.go      what the runtime observes
//	act.go          what is done to Jobs: cancel, grant, finalize, delete duplicates, disown
//	report.go       sends reports, in batches, and acts on the answers
//	send_output.go  sends output, in batches
//	renew.go        renews all leases in one call
//	resync.go       Jobs whose attempts this worker does not hold
//	stop.go         the way out: hand back, end the runtime, flush, release leases
//
// The packages below it, of which only client talks to the server:
//
//	job       the contract with runtimes, and the words that all of this uses
//	held      the attempts held: their stages, the reports that are due, what an answer means
//	prepare   from a claim to a finished Job manifest
//	output    output until the server has it, in bounded memory
//	client    the worker protocol, one method per call
//	retry     repeats calls: backoff, Retry-After, refused keys
//	health    /healthz, /readyz and /metrics
//	kube      the runtime for Kubernetes
//	process   the runtime for processes of this host
//
// What must hold, besides what package held says:
//
//   - A worker that stops cancels nothing. Attempts that certainly were not created are handed back; the
//     others are taken over.
//   - An outcome waits a moment for the last output, and never depends on it.
//   - A loop that cannot go on ends the process with an error.
package worker
