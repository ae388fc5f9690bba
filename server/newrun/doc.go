// Package newrun makes the runs of deployments. Every way to a run goes through a Maker: a request of the
// API, a slot of a schedule, and the check of a schedule when it is deployed. Frozen values, the schemas of
// parameters and job variables, and the bounds on both are enforced there and nowhere else.
//
// A run is made of one revision of its deployment. If the deployment changes before the run is stored, the
// store refuses the run with RevisionChanged, and the caller makes it again; a Creator does so itself.
package newrun
