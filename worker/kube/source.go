package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/kube/podstatus"
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
		if podstatus.IsSidecar(pod, c.Name) {
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
		(podstatus.IsSidecar(pod, name) || slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name }))
}
