// Package kube runs attempts as Kubernetes Jobs. Only this package and the packages below it talk to a
// cluster.
//
//	Launch ──create──▶ Job ◀──controller──▶ pods
//	                    │                    │
//	             informer on Jobs     informer on pods    (per namespace, filtered by the API server)
//	                    └───────┬────────────┘
//	                      work queue of attempts
//	                            │
//	   reconcile: snapshot ─▶ observe.Attempt ─▶ notify the worker ─▶ act
//	                              (pure)
//
// The packages below:
//
//	cluster    connects to a cluster, explains its errors
//	observe    what a Job and its pods mean for the attempt: a pure function
//	podstatus  reads the status of a pod
//	podlog     follows the output of pods
//	jobclient  changes Jobs: finalize, delete, gate, drain
//	finalizer  the names of our finalizers; only this package changes them
//	dryrun     the pod that a Job would make, and what an API server changed: pure functions
//	crowd      tests of the memory that thousands of Jobs take
//	kubetest     helps tests on a real cluster
//	clustertest  the tests of all of these on a real cluster
//
// Observing is apart from acting. Reconciling is level-triggered: it may run at any time and any number of
// times, and never relies on having seen an event. The informers' copies only say that something may have
// changed; that a Job is missing is believed only of the API server.
//
// What makes it safe:
//   - The Job's name is the same for every worker that tries to create it, so that there is one, whichever
//     worker crashes. A Job of that name is adopted only if its labels name the same installation, run and
//     attempt.
//   - The finalizer is in the manifest from the start. It keeps the Job and its conditions until the worker
//     says that the outcome is recorded (Finalize). It is on Jobs only.
//   - An outcome decided here (a cancel, a deadline) is written to the Job in an annotation before the Job is
//     deleted, pods first. It is reported when the pods are gone, by whichever worker observes the Job then.
//   - Output is followed independently; the outcome neither waits for it nor depends on it.
//
// The ServiceAccount of a worker needs a Role in each namespace that it serves:
//
//	apiGroups: [batch]  resources: [jobs]      verbs: [get, list, watch, create, patch, delete]
//	apiGroups: [""]     resources: [pods]      verbs: [list, watch, delete]
//	apiGroups: [""]     resources: [pods/log]  verbs: [get]
//	apiGroups: [""]     resources: [events]    verbs: [list]
//	apiGroups: [""]     resources: [configmaps]  resourceNames: [kube-root-ca.crt]  verbs: [get]
//
//	apiGroups: [""]     resources: [secrets]   verbs: [create]                  only where runs have Secrets
//	apiGroups: [""]     resources: [pods]      verbs: [create]                  only for dry runs of pods
//
// Without events it works and explains less. Drain needs get, list, patch and delete on jobs;
// cluster.Config.EnsureSecretKeys needs get, create and patch on secrets. AllNamespaces needs the same in a
// ClusterRole.
package kube
