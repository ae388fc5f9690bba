package observe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// blamed is the pod because of which the Job failed; nil if none is known. It is the one that the condition
// names, else the first that failed by itself, of the lowest failed index where the Job says which failed. The
// pods that the Job controller stopped because of it are not to blame.
func (s Snapshot) blamed(condition batchv1.JobCondition) *corev1.Pod {
	if pod := s.namedBy(condition.Message); pod != nil {
		return pod
	}
	var candidates, stopped []*corev1.Pod
	for _, pod := range s.allPods() {
		switch {
		case pod.Status.Phase != corev1.PodFailed || !s.mayHaveFailed(pod):
		case s.wasStopped(pod):
			stopped = append(stopped, pod)
		default:
			candidates = append(candidates, pod)
		}
	}
	if len(candidates) > 0 {
		return slices.MinFunc(candidates, s.compareFailures)
	}
	if pod := s.restartedPod(); pod != nil {
		return pod
	}
	if len(stopped) > 0 { // a user deleted one of them
		return slices.MinFunc(stopped, compareDeletions)
	}
	return nil
}

// DecidingPod is the pod whose output tells how the attempt ended: the blamed one, else the newest; nil if none
// was ever seen.
func (s Snapshot) DecidingPod() *corev1.Pod {
	if condition := s.finalCondition(); condition != nil && condition.Type == batchv1.JobFailed {
		if pod := s.blamed(*condition); pod != nil {
			return pod
		}
	}
	return s.NewestPod()
}

// namedBy is the pod that the message of a podFailurePolicy names, if it is known to have failed.
func (s Snapshot) namedBy(message string) *corev1.Pod {
	key := ""
	if match := policyDisruption.FindStringSubmatch(message); match != nil {
		key = match[1]
	} else if match := policyExitCode.FindStringSubmatch(message); match != nil {
		key = match[2]
	}
	for _, pod := range s.allPods() {
		if key != pod.Namespace+"/"+pod.Name {
			continue
		}
		if _, _, disrupted := disruption(pod); disrupted || pod.Status.Phase == corev1.PodFailed {
			return pod
		}
	}
	return nil
}

// mayHaveFailed is false for a pod of an index that has not failed in the end, by the Job's own word.
func (s Snapshot) mayHaveFailed(pod *corev1.Pod) bool {
	index, indexed := indexOf(pod)
	if !indexed {
		return true
	}
	if failed := s.Job.Status.FailedIndexes; failed != nil && *failed != "" {
		return hasIndex(*failed, index)
	}
	return !hasIndex(s.Job.Status.CompletedIndexes, index)
}

// wasStopped reports whether the pod ended because it was deleted, by the Job controller or a user. A pod
// that succeeded was stopped only where that was seen, since Kubernetes counts it as a success; not where its
// Job was suspended, after which Kubernetes goes on with it.
func (s Snapshot) wasStopped(pod *corev1.Pod) bool {
	if _, _, disrupted := disruption(pod); disrupted {
		return false
	}
	seen := slices.Contains(s.StoppedPods, pod.UID)
	if pod.Status.Phase == corev1.PodSucceeded {
		return seen && !s.wasSuspended()
	}
	return seen || endedByDeletion(pod, s.jobContainer())
}

// wasSuspended reports whether the Job is or was suspended.
func (s Snapshot) wasSuspended() bool {
	return s.Job != nil && (isSuspended(s.Job) || slices.ContainsFunc(s.Job.Status.Conditions,
		func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobSuspended }))
}

// compareFailures orders failed pods: the lowest of the indexes that the Job calls failed, and its last try;
// else the one that ended first.
func (s Snapshot) compareFailures(a, b *corev1.Pod) int {
	i, indexed := indexOf(a)
	j, _ := indexOf(b)
	perIndex := s.Job.Spec.BackoffLimitPerIndex != nil
	if indexed && perIndex && i != j {
		return i - j
	}
	ended := s.endOf(a).Compare(s.endOf(b))
	if perIndex {
		ended = -ended
	}
	return cmp.Or(ended, i-j, strings.Compare(a.Name, b.Name))
}

// endOf is when the pod failed, as its containers say.
func (s Snapshot) endOf(pod *corev1.Pod) time.Time {
	if at := podstatus.FinishedAt(pod, s.jobContainer()); at != nil {
		return *at
	}
	if status := podstatus.FirstFailed(pod); status != nil {
		return status.State.Terminated.FinishedAt.Time
	}
	return pod.CreationTimestamp.Time
}

// compareDeletions orders pods by when their deletion was requested.
func compareDeletions(a, b *corev1.Pod) int {
	return cmp.Or(deletionRequested(a).Compare(deletionRequested(b)), strings.Compare(a.Name, b.Name))
}

// restartedPod is the newest pod of which the kubelet restarted a container: under OnFailure the Job
// controller deletes it when that happened too often.
func (s Snapshot) restartedPod() *corev1.Pod {
	for _, pod := range s.allPods() {
		if podstatus.MostRestarted(pod) != nil {
			return pod
		}
	}
	return nil
}
