// Package diagnostic shows the problems of a template as a compiler would: file, line and column, the source
// line, and a caret under what is meant.
//
// Problems come with JSON pointers and a place inside a string, as the template language sees it. A Source
// knows the file that the template was read from and finds both again in it, whether it is YAML, with its
// five ways of writing a string, or JSON.
package diagnostic
