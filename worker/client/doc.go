// Package client is the worker's side of the worker protocol: one method per call, without retries.
//
// A failed call returns an *[Error], which tells a refused API key (Denied) from a failure that may pass
// (Temporary) and from a request that the server will never accept (neither). Package retry repeats calls.
package client
