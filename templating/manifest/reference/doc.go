// Package reference finds what a Job refers to (Secrets, ConfigMaps, ServiceAccounts, volumes, security
// contexts, nodes) and says who brought it in.
//
// A job variable is a value: it may fill in what the template writes, and may not bring in a reference of its
// own. So each reference of a finished Job must be one of
//
//   - written by the template at that place: as text, or as a default, enum or const of the variable there;
//   - on the pool's list of allowed references (Allowed).
//
// Whatever the template or the list says, a Job may never refer to what is protected (Protected): the objects
// of the installation itself, and the Secrets of other runs.
//
// The package is pure and knows no Kubernetes types: it works on trees as JSON and YAML have them.
package reference
