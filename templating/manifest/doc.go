// Package manifest turns a rendered job_configuration into the batch/v1 Job that a worker creates: typed,
// validated, named, labelled.
//
// It is pure. The server builds with it what it previews and lints, the worker what it creates, so what is
// previewed is what runs.
//
//	rendered tree ── reshape ──▶ tree of a Job ── decode (strict) ──▶ batch/v1 Job ── own ──▶ ours ── validate ──▶ Finished
//
// reshape accepts what base job templates have always been allowed to write (env as a mapping, args as one
// string, parallelism in the wrong place), decode refuses everything that Kubernetes does not know, own sets
// what is Berth's alone (name, berth.dev/*, BERTH_*, our finalizer, backoffLimit 0), and validate applies the
// rules of Kubernetes that need no API server. All problems are found at once, each with the JSON pointer of
// its place in the template.
package manifest
