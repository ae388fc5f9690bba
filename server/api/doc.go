// Package api holds the wire types of the API, generated from openapi.yaml. It imports nothing of ours and
// neither a router nor a validator, so that both the server and its clients can depend on it.
//
// The rest of the code generated from openapi.yaml has a package each:
//
//	apiclient  the client, for the worker and the command line, and their HTTP transport
//	apiserver  the interface that package handler implements, its routes, request and response types
//	apispec    the embedded specification, against which requests are validated
//
// To change the API, edit openapi.yaml, run `make generate`, and implement in package handler what the
// compiler then asks for. Package e2e/openapi lints the specification. overlay.yaml names the parts of the
// specification that the Go code is generated without.
package api

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml
//go:generate go run ../../cmd/berth/internal/berthfile/gen ../../docs/berth.schema.json
