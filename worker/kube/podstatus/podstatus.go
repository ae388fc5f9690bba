// Package podstatus reads the status of a pod: whether it has ended, when its containers started, which of
// them failed. Every function is pure and knows only Kubernetes' API types.
package podstatus

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Terminal reports whether the pod has succeeded or failed. Nothing of a terminal pod runs.
func Terminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// AnyActive reports whether some pod is not terminal.
func AnyActive(pods []*corev1.Pod) bool {
	return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return !Terminal(pod) })
}

// Container returns the status of a container that is not an init container; nil if the pod has none yet.
func Container(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	return find(pod.Status.ContainerStatuses, name)
}

// AnyContainer returns the status of a container, init containers included; nil if the pod has none yet.
func AnyContainer(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	if status := find(pod.Status.InitContainerStatuses, name); status != nil {
		return status
	}
	return Container(pod, name)
}

func find(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// All returns the statuses of all containers, init containers first.
func All(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

// IsSidecar reports whether the container is a native sidecar: an init container that runs beside the others
// and that the kubelet stops when they have ended.
func IsSidecar(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil &&
			*c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// SidecarStopping reports whether the kubelet is about to stop the sidecar, because all others have ended.
func SidecarStopping(pod *corev1.Pod, name string) bool {
	running := func(status corev1.ContainerStatus) bool { return status.State.Terminated == nil }
	return IsSidecar(pod, name) && len(pod.Status.ContainerStatuses) > 0 &&
		!slices.ContainsFunc(pod.Status.ContainerStatuses, running)
}

// StartedAt returns when the latest instance of the container started; nil if none has.
func StartedAt(status *corev1.ContainerStatus) *time.Time {
	if status == nil {
		return nil
	}
	for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
		if state.Running != nil && !state.Running.StartedAt.IsZero() {
			return &state.Running.StartedAt.Time
		}
		if state.Terminated != nil && !state.Terminated.StartedAt.IsZero() {
			return &state.Terminated.StartedAt.Time
		}
	}
	return nil
}

// AnyStarted reports whether some container of the pod has started.
func AnyStarted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(All(pod), func(status corev1.ContainerStatus) bool {
		return StartedAt(&status) != nil
	})
}

// FinishedAt returns when the container ended; nil if it has not, or its status gives no time.
func FinishedAt(pod *corev1.Pod, container string) *time.Time {
	status := Container(pod, container)
	if status == nil || status.State.Terminated == nil || status.State.Terminated.FinishedAt.IsZero() {
		return nil
	}
	return &status.State.Terminated.FinishedAt.Time
}

// Succeeded reports whether the container exited with code 0, after which it is not restarted.
func Succeeded(pod *corev1.Pod, container string) bool {
	status := AnyContainer(pod, container)
	return status != nil && status.State.Terminated != nil && status.State.Terminated.ExitCode == 0
}

// FirstFailed returns the container whose failure made the pod fail; nil if none has failed.
//
// When a container fails, the kubelet kills the sidecars, which then show a failure too. A sidecar therefore
// counts only if no other container has failed.
func FirstFailed(pod *corev1.Pod) *corev1.ContainerStatus {
	var sidecar *corev1.ContainerStatus
	for _, status := range All(pod) {
		switch {
		case status.State.Terminated == nil || status.State.Terminated.ExitCode == 0:
		case !IsSidecar(pod, status.Name):
			return &status
		case sidecar == nil:
			sidecar = &status
		}
	}
	return sidecar
}

// MostRestarted returns the container that the kubelet restarted most often after it had ended; nil if it
// restarted none. Sidecars do not count.
func MostRestarted(pod *corev1.Pod) *corev1.ContainerStatus {
	var most *corev1.ContainerStatus
	for _, status := range All(pod) {
		restarted := status.RestartCount > 0 && LastEnd(&status) != nil
		if restarted && !IsSidecar(pod, status.Name) && (most == nil || status.RestartCount > most.RestartCount) {
			most = &status
		}
	}
	return most
}

// LastEnd returns how the container last ended by itself: before its newest start where that is known, since
// its pod may have been stopped after it. It is nil if it has not ended.
func LastEnd(status *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if status.LastTerminationState.Terminated != nil {
		return status.LastTerminationState.Terminated
	}
	return status.State.Terminated
}

// Overdue returns for how long the pod has existed past the time by which its deletion should have completed.
// It is negative within the grace period, and 0 if the pod is not being deleted.
func Overdue(pod *corev1.Pod, now time.Time) time.Duration {
	if pod.DeletionTimestamp == nil {
		return 0
	}
	return now.Sub(pod.DeletionTimestamp.Time)
}
