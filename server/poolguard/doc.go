// Package poolguard keeps an API key that is limited to some work pools out of the others.
//
// A table names, for every operation of the API, how to find the pools that a request is about: in the path,
// in the body, or through the run, deployment or attempt that the request names. The guard finds and checks
// them before the handler runs, so that handlers do not check pools. Keys without a limit cost no query.
//
// Some checks need more than the request and are made where the answer is known: a list shows what is in the
// key's pools, an apply and a change of many runs check each item, and creating a run checks the pool of the
// very revision of the deployment that the run is made of.
package poolguard
