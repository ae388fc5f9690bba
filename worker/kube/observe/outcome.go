package observe

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	At        *time.Time   `json:"at,omitempty"`
}

// outcome decides whether the attempt has ended, and how. The Job's final condition decides. Before there is
// one, the pod of a single-pod Job may decide. A Job that is being deleted ends with its planned outcome, or
// as deleted. An outcome that came before the deletion wins over it.
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
	pod := s.NewestPod()
	if pod == nil || !s.SinglePod() || !endedByItself(pod) || s.failureTargeted() {
		return Outcome{}, false
	}
	return s.podOutcome(pod), true
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

// awaitsPod reports whether the Job has ended while its pod still looks active, or no pod of it was seen at
// all. The pod's exit code and message are worth a short wait.
func (s Snapshot) awaitsPod() bool {
	condition := s.finalCondition()
	return condition != nil && s.SinglePod() && s.Now.Sub(condition.LastTransitionTime.Time) < podLag &&
		(len(s.allPods()) == 0 || podstatus.AnyActive(s.Pods))
}

// failureTargeted reports whether the Job controller is ending the Job for a reason other than its pod, such
// as a deadline. The pod then ends because of that.
func (s Snapshot) failureTargeted() bool {
	return slices.ContainsFunc(s.Job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailureTarget && c.Status == corev1.ConditionTrue &&
			c.Reason != batchv1.JobReasonPodFailurePolicy
	})
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
		if endedByItself(pod) && (s.Job == nil || s.SinglePod()) {
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
			"before its outcome was recorded", s.JobName)
	}
	return Outcome{Category: api.CategoryDeleted, Message: message, At: s.lastFinished()}, true
}

// PlannedOutcome returns the outcome for which Berth deletes the Job, from the Job's annotation.
func (s Snapshot) PlannedOutcome() (Outcome, bool) {
	if s.Job == nil || s.Job.Annotations[AnnotationPlannedOutcome] == "" {
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

// conditionOutcome reads the outcome from the Job's final condition, and what the condition leaves open from
// the pods that are known.
func (s Snapshot) conditionOutcome(condition batchv1.JobCondition) Outcome {
	at := &condition.LastTransitionTime.Time
	outcome := Outcome{Category: api.CategoryUnknown, Message: condition.Message, At: at}
	if condition.Type == batchv1.JobComplete {
		return s.completeOutcome(at)
	}

	switch condition.Reason {
	case batchv1.JobReasonDeadlineExceeded:
		outcome.Category = api.CategoryDeadline
		outcome.Message = "the Job ran longer than its activeDeadlineSeconds" + s.deadlineSeconds()
		return outcome
	case batchv1.JobReasonPodFailurePolicy:
		return s.policyOutcome(outcome)
	case batchv1.JobReasonFailedIndexes, batchv1.JobReasonMaxFailedIndexesExceeded:
		outcome.Category = api.CategoryApp
		return outcome
	}

	for _, pod := range s.allPods() {
		if pod.Status.Phase == corev1.PodFailed {
			return s.podOutcome(pod)
		}
	}
	outcome.Message = fmt.Sprintf("the Job failed (%s: %s); its pod was deleted before Berth could read why",
		condition.Reason, condition.Message)
	return outcome
}

func (s Snapshot) deadlineSeconds() string {
	if s.Job.Spec.ActiveDeadlineSeconds == nil {
		return ""
	}
	return fmt.Sprintf(" (%d s)", *s.Job.Spec.ActiveDeadlineSeconds)
}

// completeOutcome is success, unless the pod was disrupted and exited with code 0 only because of that.
func (s Snapshot) completeOutcome(at *time.Time) Outcome {
	if s.SinglePod() {
		for _, pod := range s.allPods() {
			// A process that exits with 0 on SIGTERM did not finish its work.
			if category, message, ok := disruption(pod); ok && !s.trustExitZero {
				message += "; it exited with code 0 when it was told to stop"
				return Outcome{Category: category, Message: message, At: at}
			}
			if finished := podstatus.FinishedAt(pod, s.jobContainer()); finished != nil {
				at = finished
			}
		}
	}
	return Outcome{Succeeded: true, ExitCode: new(int32), At: at}
}

// The Job controller's messages about a podFailurePolicy. They outlive the pod.
var (
	policyExitCode   = regexp.MustCompile(`^Container (\S+) for pod (\S+) failed with exit code (-?\d+) `)
	policyDisruption = regexp.MustCompile(`^Pod (\S+) has condition DisruptionTarget `)
)

// policyOutcome reads the outcome from the message of a podFailurePolicy, or from the pod that it names.
func (s Snapshot) policyOutcome(outcome Outcome) Outcome {
	if match := policyDisruption.FindStringSubmatch(outcome.Message); match != nil {
		if pod := s.podNamed(match[1]); pod != nil {
			return s.podOutcome(pod)
		}
		outcome.Category = api.CategoryEvicted
		outcome.Message = fmt.Sprintf("pod %s was disrupted (evicted, preempted, or its node drained); "+
			"it was deleted before Berth could read the reason", match[1])
		return outcome
	}

	match := policyExitCode.FindStringSubmatch(outcome.Message)
	if match == nil {
		outcome.Category = api.CategoryApp
		return outcome
	}
	if pod := s.podNamed(match[2]); pod != nil && pod.Status.Phase == corev1.PodFailed {
		return s.podOutcome(pod)
	}
	outcome.Category = api.CategoryApp
	outcome.Message = fmt.Sprintf("container %q exited with code %s", match[1], match[3])
	if code, err := strconv.ParseInt(match[3], 10, 32); err == nil {
		outcome.ExitCode = new(int32(code))
	}
	return outcome
}
