// Package apiclient is the client of the API, generated from openapi.yaml. Client has one method per
// operation; ClientWithResponses decodes the response as well. NewTransport is the HTTP transport for both.
package apiclient

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../openapi.yaml
