// Package poolguard finds the work pools that a request is about, and checks the roles of its caller in them.
//
// Who may do what stands in the table of package access. For every operation, the table also names the places
// where its pools are found: in the path, in the body, or through the run, deployment or attempt that the
// request names. The guard looks there before the handler runs, so that handlers do not check pools. Callers
// that have the role in all pools cost no query.
//
// Some checks need more than the request and are made where the answer is known: a list shows what is in the
// caller's pools, an apply and a change of many runs check each item, and creating a run checks the pool of
// the very revision of the deployment that the run is made of.
//
// A pool that the request names is answered with 403 if the caller has no sufficient role in it, whether or
// not it exists. An object that the request names by its own name or ID is answered with 404 if it is in a
// pool in which the caller has no role at all, exactly as if it did not exist.
package poolguard
