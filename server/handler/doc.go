// Package handler carries out the operations of openapi.yaml, a file for each kind of object. A handler reads
// the decoded request, calls the package that does the work, and converts the result to the API's types.
//
// When a handler is called, the request matches the specification (package request), the role of the key
// allows the operation (package access), and the key is for the pools that the request is about (package
// poolguard). The work is done by newrun, apply, impact, catalog and explain, and by the store. What remains
// here is HTTP: long polls, server-sent events, ETags and streamed output.
package handler
