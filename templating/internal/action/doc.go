// Package action evaluates Go template actions for authors who are not trusted.
//
// Syntax and parser are those of text/template. The evaluator is not: every step is paid for, every error has
// a place, and a value is nothing but data. Compile checks a parse tree once and translates it into a small
// tree of expressions and statements, which is immutable and executed any number of times:
//
//	source ── text/template/parse ──▶ parse tree ── compile.go ──▶ statements, expressions ── machine ──▶ text or value
//
// Differences from text/template: there are no methods and no struct fields, only keys of objects; integers
// and floats compare; objects and lists cannot be printed (toYaml and toJson convert them); Absent is "no
// value" and prints as nothing; the functions are those of package function.
package action
