// Package apiserver is the server's side of the API, generated from openapi.yaml: StrictServerInterface,
// which package handler implements, the routes, and the request and response types of every operation.
package apiserver

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../openapi.yaml
