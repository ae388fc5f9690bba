package observe

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// AnnotationPlannedOutcome holds the outcome for which Berth deleted the Job (a cancel, a deadline). It
// outlives the worker: the next observer of the Job records that outcome, not an external deletion.
const AnnotationPlannedOutcome = manifest.Prefix + "planned-outcome"

// Outcome is how an attempt ended.
type Outcome struct {
	Succeeded bool         `json:"succeeded,omitempty"`
	Category  api.Category `json:"category,omitempty"`
	ExitCode  *int32       `json:"exitCode,omitempty"`
	Message   string       `json:"message,omitempty"`
	// Final: another attempt would only repeat what was given up.
	Final bool       `json:"final,omitempty"`
	At    *time.Time `json:"at,omitempty"`
}

// outcome decides whether the attempt has ended, and how. There is one rule, so that it does not matter what is
// seen first (docs/kubernetes-worker.md has it as a table):
//
//  1. The Job's final condition decides that it has ended. The pod that it blames says how (blame.go,
//     pod_outcome.go); where that pod is not known, the condition's own words do.
//  2. A Job that is deleted without having ended, ends when none of its pods may run: with what Berth deleted
//     it for, or as deleted.
//  3. The pod of a Job that replaces none has ended by itself: the condition follows, and will blame this pod.
//     What it says is recorded already.
func (s Snapshot) outcome() (Outcome, bool) {
	if condition := s.finalCondition(); condition != nil {
		if s.awaitsPod() {
			return Outcome{}, false
		}
		return s.conditionOutcome(*condition), true
	}
	if s.Deleting() {
		return s.deletedOutcome()
	}
	return s.earlyOutcome()
}

// finalCondition is the condition that ended the Job; nil if there is none, or if the deletion of the Job
// came first. A process that was told to stop may exit with any code, which says nothing about the attempt.
func (s Snapshot) finalCondition() *batchv1.JobCondition {
	if s.Job == nil {
		return nil
	}
	for i, condition := range s.Job.Status.Conditions {
		final := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if !final || condition.Status != corev1.ConditionTrue {
			continue
		}
		if s.Job.DeletionTimestamp == nil || condition.LastTransitionTime.Before(s.Job.DeletionTimestamp) {
			return &s.Job.Status.Conditions[i]
		}
	}
	return nil
}

// podLag is how far the watch of pods may lag behind the watch of Jobs; the two are independent.
const podLag = 5 * time.Second

// awaitsPod reports whether the Job has ended and the pod that says how is not seen yet, or looks active. It is
// worth a short wait.
func (s Snapshot) awaitsPod() bool {
	condition := s.finalCondition()
	if condition == nil || s.Now.Sub(condition.LastTransitionTime.Time) >= podLag {
		return false
	}
	if s.shape() == manifest.OnePod {
		return len(s.allPods()) == 0 || podstatus.AnyActive(s.Pods)
	}
	return condition.Type == batchv1.JobFailed && condition.Reason != batchv1.JobReasonDeadlineExceeded &&
		(podstatus.AnyActive(s.Pods) || s.blamed(*condition) == nil)
}

// StalePods reports whether the Job has ended and the copy of one of its pods still looks active, or there is no copy of
// any although it had some.
func (s Snapshot) StalePods() bool {
	if s.finalCondition() == nil {
		return false
	}
	unseen := len(s.allPods()) == 0 && s.Job.Status.Succeeded+s.Job.Status.Failed > 0
	return unseen || podstatus.AnyActive(s.Pods)
}

// earlyOutcome is the outcome of a single-pod Job before the Job has its final condition, where that can only
// confirm what the pod shows.
func (s Snapshot) earlyOutcome() (Outcome, bool) {
	pod := s.NewestPod()
	if pod == nil || !s.SinglePod() || !endedByItself(pod) || s.failureTargeted() || s.nearDeadline(pod) {
		return Outcome{}, false
	}
	return s.podOutcome(pod), true
}

// failureTargeted reports whether the Job controller is ending the Job for a reason other than its pod, such
// as a deadline. The pod then ends because of that.
func (s Snapshot) failureTargeted() bool {
	return slices.ContainsFunc(s.Job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailureTarget && c.Status == corev1.ConditionTrue &&
			c.Reason != batchv1.JobReasonPodFailurePolicy
	})
}

// deadlineMargin covers the clocks of the node and of the control plane, and the lag of the watches.
const deadlineMargin = 10 * time.Second

// nearDeadline reports whether the pod ended about when the deadline of its Job passed: only the Job's
// condition says which of the two came first.
func (s Snapshot) nearDeadline(pod *corev1.Pod) bool {
	seconds, start := s.Job.Spec.ActiveDeadlineSeconds, s.Job.Status.StartTime
	if seconds == nil || start == nil {
		return false
	}
	deadline := start.Add(time.Duration(*seconds) * time.Second)
	ended := s.Now
	if at := podstatus.FinishedAt(pod, s.jobContainer()); at != nil {
		ended = *at
	}
	return ended.After(deadline.Add(-deadlineMargin))
}

// endedByItself reports whether the pod ended before anyone deleted it. It compares no clocks.
func endedByItself(pod *corev1.Pod) bool {
	return podstatus.Terminal(pod) && pod.DeletionTimestamp == nil
}

// deletedOutcome is the outcome of an attempt whose Job is being deleted or gone. There is none while a pod
// may still run.
func (s Snapshot) deletedOutcome() (Outcome, bool) {
	if podstatus.AnyActive(s.Pods) {
		return Outcome{}, false
	}
	for _, pod := range s.allPods() {
		decides := s.Job == nil || s.SinglePod() || pod.Status.Phase == corev1.PodSucceeded
		if s.shape() == manifest.OnePod && decides && endedByItself(pod) {
			return s.podOutcome(pod), true
		}
	}
	if planned, ok := s.PlannedOutcome(); ok {
		if planned.At == nil {
			planned.At = s.lastFinished()
		}
		return planned, true
	}

	message := fmt.Sprintf("Job %s was deleted by someone other than Berth before it ended", s.JobName)
	if s.Job == nil {
		message = fmt.Sprintf("Job %s was deleted from the cluster, finalizers included, "+
			"before its outcome was recorded, as berth uninstall and berth worker drain do", s.JobName)
	}
	return Outcome{Category: api.CategoryDeleted, Message: message, At: s.lastFinished()}, true
}

// PlannedOutcome returns the outcome for which Berth deletes the Job, from the Job's annotation, or as this process
// decided it where the annotation could not be written.
func (s Snapshot) PlannedOutcome() (Outcome, bool) {
	if s.Job == nil || s.Job.Annotations[AnnotationPlannedOutcome] == "" {
		if s.Planned != nil {
			return *s.Planned, true
		}
		return Outcome{}, false
	}
	var planned Outcome
	if err := json.Unmarshal([]byte(s.Job.Annotations[AnnotationPlannedOutcome]), &planned); err != nil {
		return Outcome{
			Category: api.CategoryUnknown,
			Message: fmt.Sprintf("Job %s: cannot read annotation %s: %v",
				s.JobName, AnnotationPlannedOutcome, err),
		}, true
	}
	return planned, true
}

// lastFinished is when the last job container ended, or now if that is not known.
func (s Snapshot) lastFinished() *time.Time {
	var last time.Time
	for _, pod := range s.allPods() {
		if at := podstatus.FinishedAt(pod, s.jobContainer()); at != nil && at.After(last) {
			last = *at
		}
	}
	if last.IsZero() {
		last = s.Now
	}
	return &last
}
