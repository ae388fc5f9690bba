// Package access decides who may do what: whose key a request carries, which role an operation needs, which
// pools a key is limited to, and whether a request to a server without keys can have come from a foreign web
// page.
package access
