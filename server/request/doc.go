// Package request checks what people send before any handler sees it: the content type, the size, that the
// body is one JSON document without duplicate keys, and that it and the parameters have the form that
// openapi.yaml gives them, unknown fields refused. The worker protocol is read leniently, so that one release
// works with the next; it is bounded all the same.
package request
