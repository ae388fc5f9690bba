// Package apiclient is the client of the API, generated from openapi.yaml: one method per operation, in a plain form and
// in one that decodes the answer (ClientWithResponses).
package apiclient

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../openapi.yaml
