// Package api holds the wire types of the API, generated from openapi.yaml. It imports nothing of ours and neither a
// router nor a validator, so that both sides may depend on it.
//
// What else is generated from openapi.yaml has a package each, below this one:
//
//	apiclient  the client, for worker and command line
//	apiserver  the interface that package server implements, with its routes and request and response objects
//	apispec    the specification itself, against which requests are validated
//
// To change the API, edit openapi.yaml, run `make generate`, and implement what the compiler then asks for in
// package server.
package api

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml
//go:generate go run ../../cmd/berth/internal/berthfile/gen ../../docs/berth.schema.json
