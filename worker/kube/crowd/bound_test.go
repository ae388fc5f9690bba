//go:build !race

package crowd

// perActive bounds what an active Job costs whose output is followed: its copy and its pod's, what is known of the attempt,
// its open log with its part of a connection, and its goroutines with their stacks.
const perActive = 26 << 10
