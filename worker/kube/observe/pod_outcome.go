package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
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

// podOutcome is the outcome of the attempt as its terminal pod shows it.
func (s Snapshot) podOutcome(pod *corev1.Pod) Outcome {
	outcome := s.containersOutcome(pod)
	if outcome.At == nil {
		outcome.At = s.lastFinished()
	}
	if category, message, ok := disruption(pod); ok && !(s.trustExitZero && outcome.Succeeded) {
		outcome.Succeeded, outcome.Category, outcome.Message = false, category, message
		return outcome
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return outcome
	}

	switch {
	case pod.Status.Reason == "DeadlineExceeded":
		outcome.Category = api.CategoryDeadline
		outcome.Message = "the pod ran longer than its activeDeadlineSeconds"
	case slices.Contains(s.StoppedPods, pod.UID), endedByDeletion(pod, s.jobContainer()):
		outcome.Category = api.CategoryDeleted
		outcome.Message = fmt.Sprintf("pod %s was deleted by someone other than Berth", pod.Name)
	case pod.Status.Reason != "" && outcome.Category == api.CategoryUnknown:
		outcome.Message = fmt.Sprintf("pod %s failed (%s): %s",
			pod.Name, pod.Status.Reason, pod.Status.Message)
	}
	return outcome
}

// endedByDeletion reports whether the container ended because its pod was being deleted. Once the kubelet has
// confirmed the end with a grace period of 0, the pod no longer shows when the deletion was requested; the
// answer is then as good as the pod allows.
func endedByDeletion(pod *corev1.Pod, container string) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	requested := pod.DeletionTimestamp.Time
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		requested = requested.Add(-time.Duration(*grace) * time.Second)
	}
	finished := podstatus.FinishedAt(pod, container)
	return finished == nil || !finished.Before(requested)
}

// containersOutcome is the outcome of the job container if that failed, else of the first container that did.
func (s Snapshot) containersOutcome(pod *corev1.Pod) Outcome {
	main := podstatus.Container(pod, s.jobContainer())
	terminated := main != nil && main.State.Terminated != nil
	if terminated && main.State.Terminated.ExitCode != 0 {
		return s.containerOutcome(*main)
	}
	if pod.Status.Phase == corev1.PodFailed {
		if status := podstatus.FirstFailed(pod); status != nil {
			return s.containerOutcome(*status)
		}
		return Outcome{
			Category: api.CategoryUnknown,
			Message:  fmt.Sprintf("pod %s failed and its status gives no reason", pod.Name),
		}
	}
	if terminated {
		return s.containerOutcome(*main)
	}
	return Outcome{Succeeded: true, ExitCode: new(int32)}
}

// containerOutcome is the outcome of one terminated container.
func (s Snapshot) containerOutcome(status corev1.ContainerStatus) Outcome {
	terminated := status.State.Terminated
	code := terminated.ExitCode
	outcome := Outcome{
		ExitCode: &code,
		Category: api.CategoryApp,
		Message:  fmt.Sprintf("container %q exited with code %d", status.Name, code),
	}
	if !terminated.FinishedAt.IsZero() {
		outcome.At = &terminated.FinishedAt.Time
	}

	switch terminated.Reason {
	case "OOMKilled":
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
		if code == 0 {
			return Outcome{Succeeded: true, ExitCode: &code, At: outcome.At}
		}
	}
	if detail := strings.TrimSpace(terminated.Message); detail != "" {
		outcome.Message += ": " + detail
	}
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
