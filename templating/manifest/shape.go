package manifest

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Shape is how many pods a Job has, and what their ends mean for the Job. It is decided here, once: whoever
// builds, observes, runs or explains a Job asks ShapeOf.
type Shape string

const (
	// OnePod is a Job of one pod. Berth retries it, not the Job: backoffLimit is 0 and the end of the pod is
	// the end of the Job.
	OnePod Shape = "one pod"
	// Indexed is a Job with completionMode Indexed: a pod for each index. The Job itself may retry an index,
	// with its own backoffLimit, backoffLimitPerIndex, maxFailedIndexes, podFailurePolicy and successPolicy.
	Indexed Shape = "indexed"
	// WorkQueue is a Job whose pods share out the work among themselves: parallelism above 1 and no
	// completions. It completes when one pod has succeeded and all have ended; a pod that fails ends it.
	WorkQueue Shape = "work queue"
)

// ShapeOf returns the shape of a Job.
func ShapeOf(spec *batchv1.JobSpec) Shape {
	switch {
	case isIndexed(spec):
		return Indexed
	case above1(spec.Completions), spec.Completions == nil && above1(spec.Parallelism):
		return WorkQueue
	}
	return OnePod
}

func isIndexed(spec *batchv1.JobSpec) bool {
	return spec.CompletionMode != nil && *spec.CompletionMode == batchv1.IndexedCompletion
}

func above1(n *int32) bool { return n != nil && *n > 1 }

// ReplacesPods reports whether the Job controller or the kubelet may start a container of the Job again by
// itself. Where neither does, the end of a pod is final.
func ReplacesPods(spec *batchv1.JobSpec) bool {
	return spec.BackoffLimit == nil || *spec.BackoffLimit > 0 || spec.BackoffLimitPerIndex != nil ||
		spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever
}
