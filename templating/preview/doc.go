// Package preview shows what a template does before it is saved: the very Job that a worker would make (Job),
// and what a change of the template does to each deployment (Comparison). It is pure: the caller passes
// the deployments and the stored variables.
//
//	                     Job                                Comparison.Run
//	Compiled, Subject ────────▶ Finished     two Compiled, Subjects ────────▶ Outcome each, Summary
//
// A deployment need not give every required variable: its runs may. What is still open when a deployment is
// looked at is filled with an invented value, and the outcome names it.
package preview
