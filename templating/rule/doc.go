// Package rule evaluates the rules of a work pool or of the installation: CEL expressions over the finished
// Job of a run, the run, its deployment and its caller. Server and worker use this package, so that both
// decide by the same text.
//
//	Rule ── Compile (types, cost estimate) ──▶ Compiled ── Evaluate(Input) ──▶ Outcome: satisfied, denied or warned
//
// It is pure: no I/O, no clock. An expression is true when the Job complies. What cannot be evaluated does not
// comply: a missing field, an error, or more than MaxCost. A rule with the action deny then denies.
//
// Fields have types when a rule is compiled, so that a misspelt field is an error at save. The types of the Job
// are read from Kubernetes' own types. When a rule is evaluated, the Job is the tree that JSON has, in which a
// field without a value does not exist: has(x.field) and x.?field.orValue(default) ask for it.
package rule
