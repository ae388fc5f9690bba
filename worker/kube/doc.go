// Package kube runs attempts as Kubernetes Jobs. It is the only place that talks to a cluster.
//
//	Launch ──create──▶ Job ◀──controller──▶ pods
//	                    │                    │
//	             informer on Jobs     informer on pods         (per namespace, selected by installation on the server)
//	                    └───────┬────────────┘
//	                      work queue of attempts
//	                            │
//	            reconcile: snapshot ─▶ look ─▶ tell the worker ─▶ act
//	                                  (pure)
//
// Deciding is apart from acting. Observe (observe.go, ending.go, podend.go, diagnose.go) is a pure function
// of what the cluster shows; reconcile.go and act.go are level-triggered: they may run at any time, any
// number of times, and never rely on having seen an event. The copies that informers keep only say that
// something may have changed; that a Job is missing is believed of the API server alone.
//
// What makes it safe:
//   - The Job's name is the same for everyone who tries to create it, so there is one, whoever crashes in between. A Job
//     of that name is adopted only if its labels say that it is the same installation's, run's and attempt's.
//   - The finalizer is in the manifest from the start. It keeps the Job, and its conditions, until the worker says that
//     the outcome is recorded (Release). It is on Jobs only.
//   - An end that is decided here (a cancel, a deadline) is written to the Job in an annotation before the Job is
//     deleted, pods first. It is told when the pods are gone, by whoever observes then.
//   - The output is followed beside all of that; the outcome neither waits for it nor depends on it.
//
// The ServiceAccount of a worker needs a Role in each namespace that it serves:
//
//	apiGroups: [batch]  resources: [jobs]      verbs: [get, list, watch, create, patch, delete]
//	apiGroups: [""]     resources: [pods]      verbs: [list, watch, delete]
//	apiGroups: [""]     resources: [pods/log]  verbs: [get]
//	apiGroups: [""]     resources: [events]    verbs: [list]
//
//	apiGroups: [""]     resources: [secrets]   verbs: [get, create, patch]      only where runs have a Secret of their own
//
// Without events it works and explains less. Drain needs jobs: list, patch, delete, get. EnsureSecretKeys
// needs secrets: get, create, patch. It serves namespaces that are named; AllNamespaces needs the same as a
// ClusterRole.
package kube
