// Package signin is the HTTP side of signing in: the two pages through which browsers go to the provider and
// come back, the session cookie, and the check that a request with the cookie comes from Berth's own page.
// Package identity does the rest.
package signin
