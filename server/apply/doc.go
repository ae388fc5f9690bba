// Package apply brings pools, variables and deployments to what a file declares.
//
// An apply is one transaction: everything in the file is applied, or nothing and the answer says everything
// that is wrong. It holds a lock, so that two applies never mix. A dry run does the same work and rolls back,
// which makes its plan exactly what the apply would do. A plan has a fingerprint: an apply that names the
// fingerprint of a dry run is refused when it would do anything else.
//
// Deployments are declared completely: a field that the file leaves out gets its default. Pools and queues
// keep what the file leaves out, so that a limit that an operator has set survives a deploy. Pruning deletes
// what belongs to the file's project and is no longer declared.
package apply
