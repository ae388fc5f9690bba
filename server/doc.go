// Package server is the HTTP server: it opens the store, serves the API, the UI and the metrics, and runs the
// background loops. Run starts a whole server and returns when all of it has ended, so that a test can start
// one on port 0 as the command does.
//
// A request passes, from the outside in: metrics and recovery (metric), the origin check of servers without
// keys (access), the router, authentication, rate and role (access), the form of parameters and body
// (request), the generated server (api/apiserver), the check of its work pools (poolguard), and its handler
// (handler). A refusal is a problem document, wherever it comes from (problem).
//
// Handlers only translate. The work is done by packages that know no HTTP: newrun creates runs, apply applies
// files, catalog and impact check templates, dryrun asks clusters about them, explain explains runs. The scheduler
// loop (scheduler) uses newrun as well. They share wire, finding and jsondoc, decide with the pure functions of lifecycle and
// schedule, and read and write through store.
package server
