// Package locate finds the problems of a template in the text that it was read from.
//
// Problems come with JSON pointers and a place inside a string, as the template language sees it. A Source finds
// both in the text, whether it is YAML, with its five ways of writing a string, or JSON.
package locate
