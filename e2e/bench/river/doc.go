// Package river measures River, a well-known queue of jobs on PostgreSQL, beside the store: the peer of the
// benchmarks in server/store. It is a nested module, so that River is no dependency of Berth.
package river
