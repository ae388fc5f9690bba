// Package kueue reads the Workloads that Kueue makes for Jobs, so that a run can say in Kueue's words why it waits. It
// needs `get, list, watch` on workloads and localqueues of kueue.x-k8s.io, which are optional: without them, or without
// Kueue, there is nothing to read, and events have to do.
//
// Only what explains a wait is decoded and kept. Nothing is read before the first Job of a namespace is suspended.
package kueue
