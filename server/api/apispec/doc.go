// Package apispec embeds the specification, for validating requests and responses. It depends on the
// validator, so only the server and tests import it.
package apispec

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../openapi.yaml
