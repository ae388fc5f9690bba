// Package server is the HTTP server: it opens the store, serves the API, the UI and the metrics, and runs
// what has to happen without anybody asking. Run starts a whole server and returns when all of it has ended,
// so a test can start one on port 0 just as the command does.
//
// A request passes, from the outside in: measuring and recovery (metric), the guard of servers without keys
// (access), the router, whose key it is and whether its role suffices (access), the form of parameters and
// body (request), the generated code (api), the operation itself (handler), the store. Whatever refuses it,
// the answer is a problem document (problem).
package server
