// Package function holds the functions of the template language: sprig without what reaches outside the
// render or differs between two calls, and the few that manifests need.
//
// A function is a row of one table: its usage, its documentation and its Go code, which gets a Call. No
// function reads a clock, a file, the network or the environment, and none changes its arguments, except
// set, unset and merge (object_change.go).
//
// # Paying
//
// A running function cannot be interrupted, so it pays before it works. Call has a method for each kind of
// argument; reading an argument charges the budget for looking at it. A function that builds something
// charges the bytes with alloc before it builds them.
//
// # Adding a function
//
// Add a row to the table of its subject (text.go, list.go, time.go …) and a test beside it. The documentation
// in docs/template-functions.md is generated from the rows.
package function
