// Package crowd measures what a worker keeps in memory for thousands of Jobs. It has nothing but tests and benchmarks,
// against a stand-in of the API server in another process: no cluster on one machine runs ten thousand pods with logs.
package crowd
