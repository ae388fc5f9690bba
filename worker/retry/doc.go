// Package retry repeats what failed: a [Backoff] spaces the attempts, [Calls] decides what follows a failed
// call to the server, and a [Loop] makes calls until its context ends.
package retry
