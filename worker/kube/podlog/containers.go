package podlog

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// heading precedes the output of a container if the output of all is taken.
func heading(container string) string { return "[berth] container " + container + "\n" }

// containers are the containers of the pod whose output is taken, in order: the init containers, which end
// one after the other, the job container, and then the containers beside it. A worker that takes the attempt
// over reads them in the same order, so that it skips exactly the bytes that the server has.
func (f *Follower) containers(pod *corev1.Pod) []string {
	if !f.AllContainers {
		return []string{f.Container}
	}
	var before, beside []string
	for _, c := range pod.Spec.InitContainers {
		if podstatus.IsSidecar(pod, c.Name) {
			beside = append(beside, c.Name)
			continue
		}
		before = append(before, c.Name)
	}
	for _, c := range pod.Spec.Containers {
		if c.Name != f.Container {
			beside = append(beside, c.Name)
		}
	}
	return slices.Concat(before, []string{f.Container}, beside)
}

// runsBeside reports whether the container runs beside the job container. Its output is read after the job
// container has ended.
func (f *Follower) runsBeside(pod *corev1.Pod, name string) bool {
	if name == f.Container {
		return false
	}
	named := func(c corev1.Container) bool { return c.Name == name }
	return podstatus.IsSidecar(pod, name) || slices.ContainsFunc(pod.Spec.Containers, named)
}
