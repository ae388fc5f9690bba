package kube

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// source is where output comes from.
type source struct {
	pod       types.UID
	container string
}

// heading begins the output of a container where that of all is taken.
func heading(container string) string { return "[berth] container " + container + "\n" }

// containers are those of the pod whose output is taken, in the order it is taken in. Whoever takes the
// attempt over reads them in the same order, so that what the server has is not taken for something else: the
// init containers, which end one after the other, the job container, and then those that run beside it.
func (f *follower) containers(pod *corev1.Pod) []string {
	if !f.all {
		return []string{f.container}
	}
	var first, beside []string
	for _, c := range pod.Spec.InitContainers {
		if native(pod, c.Name) {
			beside = append(beside, c.Name)
			continue
		}
		first = append(first, c.Name)
	}
	for _, c := range pod.Spec.Containers {
		if c.Name != f.container {
			beside = append(beside, c.Name)
		}
	}
	return slices.Concat(first, []string{f.container}, beside)
}

// beside reports whether the container runs beside the job container: its output is taken when that has
// ended.
func (f *follower) beside(pod *corev1.Pod, name string) bool {
	return name != f.container &&
		(native(pod, name) || slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name }))
}

// native reports whether it is a sidecar among the init containers, which Kubernetes stops when the others
// have ended.
func native(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil &&
			*c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// stopping reports whether Kubernetes is about to stop the container by itself.
func stopping(pod *corev1.Pod, name string) bool {
	return native(pod, name) && len(pod.Status.ContainerStatuses) > 0 &&
		!slices.ContainsFunc(
			pod.Status.ContainerStatuses,
			func(status corev1.ContainerStatus) bool { return status.State.Terminated == nil },
		)
}

// statusOf is the status of a container, of an init container as well.
func statusOf(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range pod.Status.InitContainerStatuses {
		if pod.Status.InitContainerStatuses[i].Name == name {
			return &pod.Status.InitContainerStatuses[i]
		}
	}
	return containerStatus(pod, name)
}

// endedWell reports whether the container has ended in a way after which it is not started again.
func endedWell(pod *corev1.Pod, name string) bool {
	status := statusOf(pod, name)
	return status != nil && status.State.Terminated != nil && status.State.Terminated.ExitCode == 0
}

// anyStarted reports whether some container of the pod has begun to run.
func anyStarted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(
		slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses),
		func(status corev1.ContainerStatus) bool {
			return startOf(&status) != nil
		},
	)
}

// startOf is when the latest instance of the container began to run; nil where none has.
func startOf(status *corev1.ContainerStatus) *time.Time {
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
