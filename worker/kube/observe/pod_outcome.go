package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// disruptions maps the reasons of the pod condition DisruptionTarget, and of a failed pod's status, to
// categories.
var disruptions = map[string]api.Category{
	corev1.PodReasonPreemptionByScheduler: api.CategoryPreempted,
	corev1.PodReasonTerminationByKubelet:  api.CategoryEvicted,
	"EvictionByEvictionAPI":               api.CategoryEvicted,
	"DeletionByTaintManager":              api.CategoryEvicted,
	"DeletionByPodGC":                     api.CategoryNodeLost,
	"Evicted":                             api.CategoryEvicted,
	"Preempting":                          api.CategoryPreempted,
	"Preempted":                           api.CategoryPreempted,
	"NodeShutdown":                        api.CategoryEvicted,
	"Shutdown":                            api.CategoryEvicted,
	"Terminated":                          api.CategoryEvicted,
	"NodeLost":                            api.CategoryNodeLost,
}

// disruption returns who disrupted the pod and why; ok is false if it was not disrupted.
func disruption(pod *corev1.Pod) (category api.Category, message string, ok bool) {
	reason, detail := "", ""
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			reason, detail, ok = condition.Reason, condition.Message, true
		}
	}
	if !ok {
		reason, detail = pod.Status.Reason, pod.Status.Message
		_, ok = disruptions[reason]
	}
	if !ok {
		return "", "", false
	}

	category, known := disruptions[reason]
	if !known {
		// A reason of a newer Kubernetes: the pod was disrupted in any case.
		category = api.CategoryEvicted
	}
	message = disruptionMessage(category, pod, reason)
	if detail != "" {
		message += ": " + detail
	}
	return category, message, true
}

func disruptionMessage(category api.Category, pod *corev1.Pod, reason string) string {
	verb, at := "evicted", "from"
	switch category {
	case api.CategoryPreempted:
		verb, at = "preempted", "on"
	case api.CategoryNodeLost:
		verb, at = "lost", "with"
	}
	if pod.Spec.NodeName == "" {
		return fmt.Sprintf("pod %s was %s (%s)", pod.Name, verb, reason)
	}
	return fmt.Sprintf("pod %s was %s %s node %s (%s)", pod.Name, verb, at, pod.Spec.NodeName, reason)
}

// podOutcome is the outcome of the attempt as its terminal pod shows it: what was done to the pod comes before
// what its containers say, since they may end with any exit code when they are told to stop.
func (s Snapshot) podOutcome(pod *corev1.Pod) Outcome {
	outcome := s.containersOutcome(pod)
	if outcome.At == nil {
		outcome.At = s.lastFinished()
	}
	if done, ok := s.doneTo(pod); ok && !(s.trustExitZero && outcome.Succeeded) {
		if outcome.Succeeded {
			done.message += "; it exited with code 0 when it was told to stop"
		}
		outcome.Succeeded, outcome.Category, outcome.Message = false, done.category, done.message
	}
	return outcome
}

// done is why a pod ended other than by its containers.
type done struct {
	category api.Category
	message  string
}

// doneTo returns what ended the pod from outside; ok is false if it ended by itself.
func (s Snapshot) doneTo(pod *corev1.Pod) (d done, ok bool) {
	reason, detail := pod.Status.Reason, pod.Status.Message
	if overItsLimit(pod) {
		// The kubelet calls that an eviction, too, but any other node would do the same.
		return done{api.CategoryApp, fmt.Sprintf("pod %s was stopped by the kubelet: %s", pod.Name, strings.TrimSpace(detail))}, true
	}
	if category, message, disrupted := disruption(pod); disrupted {
		return done{category, message}, true
	}
	switch {
	case pod.Status.Phase == corev1.PodFailed && reason == "DeadlineExceeded":
		return done{api.CategoryDeadline, "the pod ran longer than its activeDeadlineSeconds"}, true
	case s.wasStopped(pod) && s.Job != nil && isSuspended(s.Job):
		// A queue took it away, whatever exit code or policy then ended the Job.
		return done{api.CategoryPreempted, fmt.Sprintf("pod %s was stopped because its Job was suspended", pod.Name)}, true
	case s.wasStopped(pod):
		category := api.CategoryDeleted
		if s.rescheduleDeleted {
			category = api.CategoryEvicted
		}
		return done{category, fmt.Sprintf("pod %s was deleted by someone other than Berth", pod.Name)}, true
	case pod.Status.Phase == corev1.PodFailed && reason != "" && !podstatus.AnyStarted(pod):
		return refusal(pod), true
	}
	return done{}, false
}

// limitTexts are what the kubelet says of a pod that used more storage than the pod itself allows.
var limitTexts = []string{
	"exceeds the limit", "exceeds the total limit of containers", "exceeded its local ephemeral storage limit",
}

// overItsLimit reports whether the kubelet stopped the pod because of a limit in its own spec. It evicts for
// what the node lacks with the condition DisruptionTarget, and for this without.
func overItsLimit(pod *corev1.Pod) bool {
	return pod.Status.Reason == "Evicted" && containsAny(pod.Status.Message, limitTexts)
}

// unfit are the reasons for which a kubelet refuses a pod because of what the pod asks for: every node of its
// kind would.
var unfit = []string{
	"SysctlForbidden", "AppArmor", "PodOSNotSupported", "PodOSSelectorNodeLabelDoesNotMatch",
	"PodFeatureUnsupported", "PodLevelResourcesNotAdmitted",
}

// refusal is the end of a pod that its kubelet did not admit, although the scheduler had chosen its node: the
// node had too little of something by then, or no longer fits. It is evicted before its start; another attempt
// may be scheduled elsewhere.
func refusal(pod *corev1.Pod) done {
	category := api.CategoryEvicted
	if slices.Contains(unfit, pod.Status.Reason) {
		category = api.CategoryConfig
	}
	return done{category, fmt.Sprintf("node %s refused pod %s (%s): %s",
		pod.Spec.NodeName, pod.Name, pod.Status.Reason, strings.TrimSpace(pod.Status.Message))}
}

// endedByDeletion reports whether the container ended because its pod was being deleted. Once the kubelet has
// confirmed the end with a grace period of 0, the pod no longer shows when the deletion was requested; the
// answer is then as good as the pod allows.
func endedByDeletion(pod *corev1.Pod, container string) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	finished := podstatus.FinishedAt(pod, container)
	return finished == nil || !finished.Before(deletionRequested(pod))
}

// deletionRequested is when the deletion of the pod was requested; the zero time if it was not.
func deletionRequested(pod *corev1.Pod) time.Time {
	if pod.DeletionTimestamp == nil {
		return time.Time{}
	}
	requested := pod.DeletionTimestamp.Time
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		requested = requested.Add(-time.Duration(*grace) * time.Second)
	}
	return requested
}

// containersOutcome is the outcome of the job container where it has one: its exit is the run's, whatever
// happens beside it. Only a container that failed before the job container could end decides instead. A pod of
// several succeeds as a whole or fails: its Job has stopped the others.
func (s Snapshot) containersOutcome(pod *corev1.Pod) Outcome {
	main := podstatus.Container(pod, s.jobContainer())
	if main != nil && main.State.Terminated != nil {
		outcome := s.containerOutcome(*main)
		if !outcome.Succeeded || pod.Status.Phase != corev1.PodFailed {
			return outcome
		}
		if s.shape() == manifest.OnePod {
			if beside := podstatus.FirstFailed(pod); beside != nil && outcome.Message == "" {
				outcome.Message = fmt.Sprintf("container %q exited with code 0; container %q beside it with code %d",
					main.Name, beside.Name, beside.State.Terminated.ExitCode)
			}
			return outcome
		}
	}
	if pod.Status.Phase != corev1.PodFailed {
		return Outcome{Succeeded: true, ExitCode: new(int32)}
	}
	if status := podstatus.FirstFailed(pod); status != nil {
		return s.containerOutcome(*status)
	}
	message := fmt.Sprintf("pod %s failed and its status gives no reason", pod.Name)
	if pod.Status.Reason != "" {
		message = fmt.Sprintf("pod %s failed (%s): %s", pod.Name, pod.Status.Reason, pod.Status.Message)
	}
	return Outcome{Category: api.CategoryUnknown, Message: message}
}

// containerOutcome is the outcome of one terminated container. Exit code 0 is a success: the container itself
// got over what the runtime reports beside it, such as a child process that was killed for memory.
func (s Snapshot) containerOutcome(status corev1.ContainerStatus) Outcome {
	terminated := status.State.Terminated
	code := terminated.ExitCode
	outcome := Outcome{ExitCode: &code}
	if !terminated.FinishedAt.IsZero() {
		outcome.At = &terminated.FinishedAt.Time
	}
	if code == 0 {
		outcome.Succeeded = true
		if terminated.Reason == reasonOOM {
			outcome.Message = fmt.Sprintf("container %q exited with code 0, although one of its processes ran out of memory%s "+
				"and was killed", status.Name, s.memoryLimit(status.Name))
		}
		return outcome
	}

	switch terminated.Reason {
	case reasonOOM:
		outcome.Category = api.CategoryOOM
		outcome.Message = fmt.Sprintf("container %q ran out of memory%s and was killed",
			status.Name, s.memoryLimit(status.Name))
	case "StartError", "ContainerCannotRun":
		outcome.Category = api.CategoryConfig
		outcome.Message = fmt.Sprintf("container %q could not be started", status.Name)
	case "ContainerStatusUnknown":
		outcome.Category = api.CategoryUnknown
		outcome.Message = fmt.Sprintf("the node lost the status of container %q", status.Name)
	default:
		outcome.Category = api.CategoryApp
		outcome.Message = fmt.Sprintf("container %q exited with code %d", status.Name, code)
	}
	if detail := strings.TrimSpace(terminated.Message); detail != "" {
		outcome.Message += ": " + detail
	}
	return outcome
}

const reasonOOM = "OOMKilled"

// restartsOutcome is the outcome of a container that the kubelet restarted until the Job allowed no more: how
// it ended by itself the last time, not how it ended when its pod was stopped.
func (s Snapshot) restartsOutcome(status corev1.ContainerStatus) Outcome {
	status.State.Terminated = podstatus.LastEnd(&status)
	outcome := s.containerOutcome(status)
	if outcome.Succeeded {
		outcome.Succeeded, outcome.Category = false, api.CategoryApp
		outcome.Message = fmt.Sprintf("container %q ended", status.Name)
	}
	outcome.Message += fmt.Sprintf("; restarts: %d, the Job's backoffLimit%s allows no more",
		status.RestartCount, s.backoffLimit())
	return outcome
}

func (s Snapshot) memoryLimit(container string) string {
	if s.Job == nil {
		return ""
	}
	for _, c := range s.Job.Spec.Template.Spec.Containers {
		if limit := c.Resources.Limits.Memory(); c.Name == container && !limit.IsZero() {
			return fmt.Sprintf(" (limit %s)", limit)
		}
	}
	return ""
}
