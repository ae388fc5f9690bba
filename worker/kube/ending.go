package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
)

// ending decides whether the attempt has ended, and how. The Job's conditions decide; before they are there,
// the pod of a plain Job may; of a Job that is being deleted, what was decided before, and else that somebody
// deleted it. An end that came before the deletion wins over the deletion.
func (s snapshot) ending() (end, bool) {
	if finished := s.finished(); finished != nil {
		if s.unsettled() {
			return end{}, false
		}
		return s.conditionEnd(*finished), true
	}
	if s.deleting() {
		return s.deletedEnd()
	}
	pod := s.newestPod()
	if pod == nil || !s.plain() || !s.ownEnd(pod) || s.targeted() {
		return end{}, false
	}
	return s.podEnd(pod), true
}

// finished is the condition that ended the Job, unless its deletion came first: a process that is told to
// stop may end well or badly, that says nothing of the attempt.
func (s snapshot) finished() *batchv1.JobCondition {
	if s.job == nil {
		return nil
	}
	for i, condition := range s.job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue ||
			(condition.Type != batchv1.JobComplete && condition.Type != batchv1.JobFailed) {
			continue
		}
		if s.job.DeletionTimestamp == nil || condition.LastTransitionTime.Before(s.job.DeletionTimestamp) {
			return &s.job.Status.Conditions[i]
		}
	}
	return nil
}

// settleTime is how long the copy of a pod may lag behind that of its Job: two watches know nothing of each
// other.
const settleTime = 5 * time.Second

// unsettled reports whether the Job has ended, by what is known of it, and its pod not yet, or no pod of it
// has been seen at all: what the pod will say is worth the wait.
func (s snapshot) unsettled() bool {
	finished := s.finished()
	return finished != nil && s.plain() && s.now.Sub(finished.LastTransitionTime.Time) < settleTime &&
		(len(s.all()) == 0 || slices.ContainsFunc(s.pods, func(pod *corev1.Pod) bool { return !terminal(pod) }))
}

// targeted reports whether the Job controller has begun to end the Job for a reason of its own (a deadline),
// so that the pod's end is only its consequence.
func (s snapshot) targeted() bool {
	return slices.ContainsFunc(s.job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailureTarget && c.Status == corev1.ConditionTrue &&
			c.Reason != batchv1.JobReasonPodFailurePolicy
	})
}

// ownEnd reports whether the pod ended before anybody wanted it gone. Nobody's clock is asked.
func (s snapshot) ownEnd(pod *corev1.Pod) bool { return terminal(pod) && pod.DeletionTimestamp == nil }

// deletedEnd is the end of an attempt whose Job is going or gone: there is none while a pod may still run.
func (s snapshot) deletedEnd() (end, bool) {
	if slices.ContainsFunc(s.pods, func(pod *corev1.Pod) bool { return !terminal(pod) }) {
		return end{}, false
	}
	for _, pod := range s.all() {
		if s.ownEnd(pod) && (s.job == nil || s.plain()) {
			return s.podEnd(pod), true
		}
	}
	if e, ok := s.planned(); ok {
		if e.At == nil {
			e.At = s.lastSign()
		}
		return e, true
	}
	message := "the Job was deleted by somebody else"
	if s.job == nil {
		message = "the Job is not in the cluster any more: somebody deleted it and took its finalizers off"
	}
	return end{Category: api.CategoryDeleted, Message: message, At: s.lastSign()}, true
}

// lastSign is when the last container ended, as far as is known.
func (s snapshot) lastSign() *time.Time {
	var last time.Time
	for _, pod := range s.all() {
		if status := containerStatus(pod, s.container()); status != nil && status.State.Terminated != nil {
			if at := status.State.Terminated.FinishedAt.Time; at.After(last) {
				last = at
			}
		}
	}
	if last.IsZero() {
		last = s.now
	}
	return &last
}

// conditionEnd reads the end from the Job's condition, and what it does not say from the pods that can still
// be seen.
func (s snapshot) conditionEnd(condition batchv1.JobCondition) end {
	e := end{Category: api.CategoryUnknown, Message: condition.Message, At: &condition.LastTransitionTime.Time}
	if condition.Type == batchv1.JobComplete {
		return s.completeEnd(e)
	}
	switch condition.Reason {
	case batchv1.JobReasonDeadlineExceeded:
		e.Category = api.CategoryDeadline
		e.Message = "the Job ran longer than its activeDeadlineSeconds" + s.deadlineSeconds()
		return e
	case batchv1.JobReasonPodFailurePolicy:
		return s.policyEnd(e)
	case batchv1.JobReasonFailedIndexes, batchv1.JobReasonMaxFailedIndexesExceeded:
		e.Category = api.CategoryApp
		return e
	}
	for _, pod := range s.all() {
		if pod.Status.Phase == corev1.PodFailed {
			return s.podEnd(pod)
		}
	}
	e.Message = fmt.Sprintf(
		"the Job failed (%s: %s) and its pod was gone before it could be looked at",
		condition.Reason,
		condition.Message,
	)
	return e
}

func (s snapshot) deadlineSeconds() string {
	if s.job.Spec.ActiveDeadlineSeconds == nil {
		return ""
	}
	return fmt.Sprintf(" (%d s)", *s.job.Spec.ActiveDeadlineSeconds)
}

// completeEnd is success, unless the pod was told to go and merely ended politely.
func (s snapshot) completeEnd(e end) end {
	if s.plain() {
		for _, pod := range s.all() {
			if category, message, ok := disruption(pod); ok && !s.trustExitZero {
				e.Category, e.Message = category, message+"; it exited with code 0 when it was told to stop"
				return e
			}
			if finished := finishedAt(pod, s.container()); finished != nil {
				e.At = finished
			}
		}
	}
	var zero int32
	e.Succeeded, e.Category, e.Message, e.ExitCode = true, "", "", &zero
	return e
}

// Messages of the Job controller for a podFailurePolicy; they outlive the pod.
var (
	policyExitCode   = regexp.MustCompile(`^Container (\S+) for pod (\S+) failed with exit code (-?\d+) `)
	policyDisruption = regexp.MustCompile(`^Pod (\S+) has condition DisruptionTarget `)
)

func (s snapshot) policyEnd(e end) end {
	if match := policyDisruption.FindStringSubmatch(e.Message); match != nil {
		if pod := s.podNamed(match[1]); pod != nil {
			return s.podEnd(pod)
		}
		e.Category = api.CategoryEvicted
		e.Message = fmt.Sprintf(
			"pod %s was disrupted (evicted, preempted or its node drained); it was gone before it could be looked at",
			match[1],
		)
		return e
	}
	match := policyExitCode.FindStringSubmatch(e.Message)
	if match == nil {
		e.Category = api.CategoryApp
		return e
	}
	pod := s.podNamed(match[2])
	if pod != nil && pod.Status.Phase == corev1.PodFailed {
		return s.podEnd(pod)
	}
	e.Category, e.Message = api.CategoryApp, fmt.Sprintf("container %q exited with code %s", match[1], match[3])
	if code, err := strconv.ParseInt(match[3], 10, 32); err == nil {
		code := int32(code)
		e.ExitCode = &code
	}
	return e
}

// podNamed finds a pod by namespace/name.
func (s snapshot) podNamed(key string) *corev1.Pod {
	_, name, _ := strings.Cut(key, "/")
	for _, pod := range s.all() {
		if pod.Name == name {
			return pod
		}
	}
	return nil
}
