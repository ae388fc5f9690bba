// Package api is the contract between the server and everybody who talks to it: openapi.yaml, and the wire
// types, server interface and client generated from it. It imports nothing of ours, so that both sides may
// depend on it.
//
// To change the API, edit openapi.yaml, run `make generate`, and implement what the compiler then asks for in
// package server.
package api

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml
//go:generate go run ../../cmd/berth/internal/berthfile/gen ../../docs/berth.schema.json
