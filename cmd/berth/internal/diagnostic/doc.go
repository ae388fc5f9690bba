// Package diagnostic shows the problems of a template as a compiler would: file, line and column, the source
// line, and a caret under what is meant.
package diagnostic
