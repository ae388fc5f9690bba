// Package job is the contract between the worker and its runtimes.
//
// The worker (package worker) claims attempts, renders them and talks to the server. A [Runtime] makes a
// finished Job manifest exist somewhere (package kube: in a cluster, package process: on this host), reports
// what it observes of it, and finalizes it once the outcome is recorded. A runtime decides nothing about
// runs: it hands observations to the worker, and the worker asks the server what they mean.
//
//	           claim, renew, report                 Launch, Cancel, Finalize
//	server <------------------------> worker -----------------------------> Runtime
//	                                         <-----------------------------
//	                                            Observed, Output, Discovered
//
// # Words
//
// The worker and its runtimes use each of these words in one meaning only.
//
//	attempt        one try of a run: one row at the server, one Job
//	held attempt   an attempt whose lease this worker has, with its stage
//	claim          an attempt as the server hands it to a worker
//	lease, epoch   the right to act on an attempt, and its fencing number
//	object         the Job of an attempt as it exists at the runtime, identified by its UID
//	observation    what the runtime saw of a Job and its pods
//	outcome        how an attempt ended: category, exit code, message
//	stage          where a held attempt stands at its worker
//	slot           what a running attempt takes of a limit
//
// And these verbs:
//
//	claim             take attempts from the server
//	take over         claim an attempt whose earlier holder's lease expired
//	launch            make the Job exist
//	adopt             go on with a Job that already exists and belongs to the attempt
//	observe           read Job and pods into an observation
//	report            tell the server what was observed
//	record            store an outcome; only the server does
//	renew             extend leases
//	hand back         return an attempt that certainly never started, as if it had not been claimed
//	release leases    end this worker's leases at once, so that others may take over
//	cancel            end the attempt's Job and its pods
//	finalize          take our finalizer off a Job and set its TTL
//	disown            stop acting on an attempt that another worker holds; nothing in the cluster changes
//	delete duplicate  remove a Job that the server refused because the attempt has another
//	drain             end all Jobs of this installation and finalize them
package job
