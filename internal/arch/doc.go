// Package arch holds the rules for imports between the project's folders. Its test runs `go list`, so that an
// import that breaks a rule fails with that rule.
package arch
