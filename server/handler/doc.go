// Package handler carries out the operations of openapi.yaml: a file for each kind of thing. By the time an
// operation is called, the request has the right form (package request) and the key may do it (package
// access); what is left is to check which pools the key is for, what templates and schemas say of values
// (package template), and to ask the store.
package handler
