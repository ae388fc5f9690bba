package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
)

// disruptions maps the reasons of the pod condition DisruptionTarget and of a failed pod's status to
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

// disruption says who took the pod away, and why, if somebody did.
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
		category = api.CategoryEvicted
	}
	message = fmt.Sprintf("pod %s was taken away (%s)", pod.Name, reason)
	if pod.Spec.NodeName != "" {
		message = fmt.Sprintf("pod %s was taken from node %s (%s)", pod.Name, pod.Spec.NodeName, reason)
	}
	if detail != "" {
		message += ": " + detail
	}
	return category, message, true
}

// podEnd is how the attempt ended, told from its pod that succeeded or failed.
func (s snapshot) podEnd(pod *corev1.Pod) end {
	e := s.containersEnd(pod)
	if e.At == nil {
		e.At = s.lastSign()
	}
	if category, message, ok := disruption(pod); ok && !(s.trustExitZero && e.Succeeded) {
		e.Succeeded, e.Category, e.Message = false, category, message
		return e
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return e
	}
	switch {
	case pod.Status.Reason == "DeadlineExceeded":
		e.Category, e.Message = api.CategoryDeadline, "the pod ran longer than its activeDeadlineSeconds"
	case slices.Contains(s.stopped, pod.UID), stoppedByDeletion(pod, s.container()):
		e.Category = api.CategoryDeleted
		e.Message = fmt.Sprintf("pod %s was deleted by somebody else", pod.Name)
	case pod.Status.Reason != "" && e.Category == api.CategoryUnknown:
		e.Message = fmt.Sprintf("pod %s failed (%s): %s", pod.Name, pod.Status.Reason, pod.Status.Message)
	}
	return e
}

// stoppedByDeletion reports whether the container ended because its pod was being deleted, as far as the pod
// can tell: when it was asked to go is not known any more once the kubelet has confirmed the end with no
// grace.
func stoppedByDeletion(pod *corev1.Pod, container string) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	asked := pod.DeletionTimestamp.Time
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		asked = asked.Add(-time.Duration(*grace) * time.Second)
	}
	finished := finishedAt(pod, container)
	return finished == nil || !finished.Before(asked)
}

func finishedAt(pod *corev1.Pod, container string) *time.Time {
	status := containerStatus(pod, container)
	if status == nil || status.State.Terminated == nil || status.State.Terminated.FinishedAt.IsZero() {
		return nil
	}
	return &status.State.Terminated.FinishedAt.Time
}

// containersEnd tells the end from the containers: the job container's if it failed, else the first that did.
func (s snapshot) containersEnd(pod *corev1.Pod) end {
	main := containerStatus(pod, s.container())
	if main != nil && main.State.Terminated != nil && main.State.Terminated.ExitCode != 0 {
		return s.containerEnd(*main)
	}
	if pod.Status.Phase == corev1.PodFailed {
		if status := firstFailed(pod); status != nil {
			return s.containerEnd(*status)
		}
		return end{Category: api.CategoryUnknown, Message: fmt.Sprintf("pod %s failed and says no more", pod.Name)}
	}
	if main != nil && main.State.Terminated != nil {
		return s.containerEnd(*main)
	}
	var zero int32
	return end{Succeeded: true, ExitCode: &zero}
}

// firstFailed is the container whose end is the pod's. One that runs beside the others is stopped when one of
// them fails, and ends with what it is killed by: it counts where no other has failed.
func firstFailed(pod *corev1.Pod) *corev1.ContainerStatus {
	var beside *corev1.ContainerStatus
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch {
		case status.State.Terminated == nil || status.State.Terminated.ExitCode == 0:
		case !native(pod, status.Name):
			return &status
		case beside == nil:
			beside = &status
		}
	}
	return beside
}

// containerEnd tells the end from one container that has ended.
func (s snapshot) containerEnd(status corev1.ContainerStatus) end {
	terminated := status.State.Terminated
	code := terminated.ExitCode
	e := end{
		ExitCode: &code,
		Category: api.CategoryApp,
		Message:  fmt.Sprintf("container %q exited with code %d", status.Name, code),
	}
	if !terminated.FinishedAt.IsZero() {
		e.At = &terminated.FinishedAt.Time
	}
	switch terminated.Reason {
	case "OOMKilled":
		e.Category = api.CategoryOom
		e.Message = fmt.Sprintf(
			"container %q ran out of memory%s and was killed",
			status.Name,
			s.memoryLimit(status.Name),
		)
	case "StartError", "ContainerCannotRun":
		e.Category = api.CategoryConfig
		e.Message = fmt.Sprintf("container %q could not be started", status.Name)
	case "ContainerStatusUnknown":
		e.Category = api.CategoryUnknown
		e.Message = fmt.Sprintf("the node lost track of container %q", status.Name)
	default:
		if code == 0 {
			return end{Succeeded: true, ExitCode: &code, At: e.At}
		}
	}
	if detail := strings.TrimSpace(terminated.Message); detail != "" {
		e.Message += ": " + detail
	}
	return e
}

func (s snapshot) memoryLimit(container string) string {
	if s.job == nil {
		return ""
	}
	for _, c := range s.job.Spec.Template.Spec.Containers {
		if limit := c.Resources.Limits.Memory(); c.Name == container && !limit.IsZero() {
			return fmt.Sprintf(" (limit %s)", limit)
		}
	}
	return ""
}
