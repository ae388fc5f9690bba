package observe

import (
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

// conditionOutcome is the outcome of a Job that has its final condition.
func (s Snapshot) conditionOutcome(condition batchv1.JobCondition) Outcome {
	at := &condition.LastTransitionTime.Time
	switch {
	case condition.Type == batchv1.JobComplete:
		return s.completeOutcome(at)
	case condition.Reason == batchv1.JobReasonDeadlineExceeded:
		return Outcome{Category: api.CategoryDeadline, At: at,
			Message: "the Job ran longer than its activeDeadlineSeconds" + s.deadlineSeconds()}
	}
	pod := s.blamed(condition)
	if pod == nil {
		return s.unseenOutcome(condition)
	}
	outcome := s.podOutcome(pod)
	if restarted := podstatus.MostRestarted(pod); restarted != nil && s.wasStopped(pod) {
		outcome = s.restartsOutcome(*restarted)
		outcome.At = at
	}
	if s.shape() == manifest.OnePod {
		return outcome
	}
	outcome.At = at
	outcome.Message = s.introduce(pod) + outcome.Message
	return outcome
}

func (s Snapshot) deadlineSeconds() string {
	if s.Job.Spec.ActiveDeadlineSeconds == nil {
		return ""
	}
	return fmt.Sprintf(" (%d s)", *s.Job.Spec.ActiveDeadlineSeconds)
}

// completeOutcome is success, unless the only pod exited with code 0 because it was told to stop.
func (s Snapshot) completeOutcome(at *time.Time) Outcome {
	success := Outcome{Succeeded: true, ExitCode: new(int32), At: at}
	if s.shape() != manifest.OnePod {
		return success
	}
	for _, pod := range s.allPods() {
		_, _, disrupted := disruption(pod)
		if disrupted || pod.Status.Phase == corev1.PodSucceeded {
			return s.podOutcome(pod)
		}
	}
	return success
}

// introduce names the pod or index whose failure ended a Job of several pods, and says how many failed.
func (s Snapshot) introduce(pod *corev1.Pod) string {
	index, indexed := indexOf(pod)
	if !indexed {
		return fmt.Sprintf("pod %s: ", pod.Name)
	}
	if failed := s.Job.Status.FailedIndexes; failed != nil {
		if n := countIndexes(*failed); n > 1 {
			return fmt.Sprintf("%d indexes failed; index %d: ", n, index)
		}
	}
	return fmt.Sprintf("index %d: ", index)
}

// The Job controller's messages about a podFailurePolicy. They outlive the pod.
var (
	policyExitCode   = regexp.MustCompile(`^Container (\S+) for pod (\S+) failed with exit code (-?\d+) `)
	policyDisruption = regexp.MustCompile(`^Pod (\S+) has condition DisruptionTarget `)
)

// unseenOutcome is the outcome of a Job whose pods are gone, from the words of its condition.
func (s Snapshot) unseenOutcome(condition batchv1.JobCondition) Outcome {
	outcome := Outcome{Category: api.CategoryUnknown, At: &condition.LastTransitionTime.Time}
	const unread = "was deleted before Berth could read"
	switch condition.Reason {
	case batchv1.JobReasonPodFailurePolicy:
		if match := policyDisruption.FindStringSubmatch(condition.Message); match != nil {
			outcome.Category = api.CategoryEvicted
			outcome.Message = fmt.Sprintf("pod %s was disrupted (evicted, preempted, or its node drained); it %s the reason",
				match[1], unread)
			return outcome
		}
		if match := policyExitCode.FindStringSubmatch(condition.Message); match != nil {
			return s.exitCodeOutcome(outcome, match[1], match[2], match[3])
		}
		outcome.Category, outcome.Message = api.CategoryApp, condition.Message
		return outcome

	case batchv1.JobReasonFailedIndexes, batchv1.JobReasonMaxFailedIndexesExceeded:
		outcome.Category, outcome.Message = api.CategoryApp, condition.Message
		if failed := s.Job.Status.FailedIndexes; failed != nil && *failed != "" {
			outcome.Message = fmt.Sprintf("indexes %s failed; their pods were deleted before Berth could read why",
				shortened(*failed, shownIndexes))
		}
		return outcome

	case batchv1.JobReasonBackoffLimitExceeded:
		if s.Job.Spec.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
			// The Job controller deletes the pod whose containers failed too often.
			outcome.Category = api.CategoryApp
			outcome.Message = "the containers failed more often than the Job's backoffLimit" +
				s.backoffLimit() + " allows; the pod " + unread + " their exit codes"
			return outcome
		}
	}
	outcome.Message = fmt.Sprintf("the Job failed (%s: %s); its pod %s why", condition.Reason, condition.Message, unread)
	return outcome
}

func (s Snapshot) backoffLimit() string {
	if s.Job.Spec.BackoffLimit == nil {
		return ""
	}
	return fmt.Sprintf(" (%d)", *s.Job.Spec.BackoffLimit)
}

// exitCodeOutcome is the outcome of a pod that is gone, of which one container's exit code is known. In a Job
// of one pod a container beside the job container does not decide.
func (s Snapshot) exitCodeOutcome(outcome Outcome, container, pod, code string) Outcome {
	outcome.Message = fmt.Sprintf("container %q exited with code %s", container, code)
	if index, ok := indexOfName(pod); ok && s.shape() == manifest.Indexed {
		outcome.Message = fmt.Sprintf("index %d: %s", index, outcome.Message)
	}
	beside := container != s.jobContainer() &&
		slices.ContainsFunc(s.Job.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	if beside && s.shape() == manifest.OnePod {
		outcome.Message += fmt.Sprintf("; the pod was deleted before Berth could read how container %q ended",
			s.jobContainer())
		return outcome
	}
	outcome.Category = api.CategoryApp
	if n, err := strconv.ParseInt(code, 10, 32); err == nil {
		outcome.ExitCode = new(int32(n))
	}
	return outcome
}
