// Package action evaluates Go template actions, for templates that nobody needs to trust.
//
// The syntax and its parser are those of text/template; the evaluator is our own, because every step has to
// be paid for, every error has to know its place, and a value must be nothing but data. A parse tree is
// checked and translated once (Compile) into a small tree of expressions and statements, which is immutable
// and then executed any number of times:
//
//	source ── text/template/parse ──▶ parse tree ── compile.go ──▶ statements, expressions ── machine ──▶ text, or a value
//
// What differs from text/template: there are no methods and no fields of structs, only keys of objects;
// numbers of different kinds compare; objects and lists do not print into text (toYaml and toJson write
// them); absent is a value of its own that prints as nothing; functions come from one fixed table
// (function.go) and pay for their work from a value.Budget before they do it.
package action
