package observe

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// Trimmer removes from Jobs and pods everything that neither Attempt nor the finalization of a Job reads: ten
// thousand of them have to fit into a small worker pod. What many have in common, the containers of a template, they share.
type Trimmer struct {
	mu     sync.Mutex
	shared map[string][]corev1.Container // never changed
}

// maxShared bounds how many different containers are shared.
const maxShared = 1000

// Trim changes the object, which the caller must own. Its containers must not be changed afterwards.
func (t *Trimmer) Trim(object any) {
	switch o := object.(type) {
	case *batchv1.Job:
		t.trimJob(o)
	case *corev1.Pod:
		t.trimPod(o)
	}
}

func (t *Trimmer) trimJob(j *batchv1.Job) {
	j.ManagedFields, j.OwnerReferences, j.Labels = nil, nil, identityLabels(j.Labels)
	deleteForeign(j.Annotations)
	template := &j.Spec.Template
	template.ObjectMeta.Annotations, template.ObjectMeta.Labels = nil, nil
	template.Spec = corev1.PodSpec{
		RestartPolicy: template.Spec.RestartPolicy,
		Containers:    t.trimContainers(template.Spec.Containers),
	}
	j.Spec.PodFailurePolicy, j.Spec.Selector = nil, nil
}

func (t *Trimmer) trimPod(pod *corev1.Pod) {
	pod.ManagedFields, pod.OwnerReferences, pod.Labels = nil, nil, identityLabels(pod.Labels)
	deleteForeign(pod.Annotations)
	pod.Spec = corev1.PodSpec{
		NodeName:       pod.Spec.NodeName,
		RestartPolicy:  pod.Spec.RestartPolicy,
		InitContainers: t.trimContainers(pod.Spec.InitContainers),
		Containers:     t.trimContainers(pod.Spec.Containers),
	}
	pod.Status.HostIPs, pod.Status.PodIPs, pod.Status.HostIP, pod.Status.PodIP = nil, nil, "", ""
	pod.Status.QOSClass, pod.GenerateName = "", ""
	pod.Status.Conditions = trimConditions(pod.Status.Conditions)
	for _, statuses := range [][]corev1.ContainerStatus{
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for i := range statuses {
			trimStatus(&statuses[i])
		}
	}
}

// trimConditions keeps the conditions that are read.
func trimConditions(conditions []corev1.PodCondition) []corev1.PodCondition {
	var kept []corev1.PodCondition
	for _, c := range conditions {
		if c.Type == corev1.PodScheduled || c.Type == corev1.DisruptionTarget {
			kept = append(kept, c)
		}
	}
	return kept
}

// trimStatus keeps what a container did.
func trimStatus(s *corev1.ContainerStatus) {
	s.ContainerID = "" // the image ID is shown
	s.AllocatedResources, s.Resources, s.VolumeMounts, s.User, s.AllocatedResourcesStatus = nil, nil, nil, nil, nil
	for _, state := range []*corev1.ContainerState{&s.State, &s.LastTerminationState} {
		if state.Terminated != nil {
			state.Terminated.ContainerID = ""
		}
	}
}

// identityLabels keeps the labels that say which attempt and Job an object belongs to, and its queue.
func identityLabels(labels map[string]string) map[string]string {
	kept := make(map[string]string, 5)
	for _, key := range []string{
		manifest.LabelInstallation, manifest.LabelRunID, manifest.LabelAttempt, batchv1.ControllerUidLabel,
		manifest.LabelKueueQueue,
	} {
		if value, ok := labels[key]; ok {
			kept[key] = value
		}
	}
	return kept
}

// deleteForeign deletes annotations that are not Berth's, but for the index of a pod.
func deleteForeign(annotations map[string]string) {
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return !strings.HasPrefix(key, manifest.Prefix) && key != batchv1.JobCompletionIndexAnnotation
	})
}

// trimContainers keeps the names, restart policies and memory limits.
func (t *Trimmer) trimContainers(containers []corev1.Container) []corev1.Container {
	if len(containers) == 0 {
		return nil
	}
	var id []byte
	for _, c := range containers {
		policy, memory := "", ""
		if c.RestartPolicy != nil {
			policy = string(*c.RestartPolicy)
		}
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
			memory = limit.String()
		}
		id = fmt.Appendf(id, "%s\n%s\n%s\n", c.Name, policy, memory)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if shared, ok := t.shared[string(id)]; ok {
		return shared
	}

	trimmed := make([]corev1.Container, len(containers))
	for i, c := range containers {
		trimmed[i].Name, trimmed[i].RestartPolicy = c.Name, c.RestartPolicy
		if memory, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
			trimmed[i].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: memory}
		}
	}
	if t.shared == nil {
		t.shared = map[string][]corev1.Container{}
	}
	if len(t.shared) < maxShared {
		t.shared[string(id)] = trimmed
	}
	return trimmed
}
