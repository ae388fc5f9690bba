package observe

import (
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// Trim removes from a Job or pod everything that neither Attempt nor the finalization of a Job reads: ten
// thousand of them have to fit into a small worker pod. It changes the object, which the caller must own.
func Trim(object any) {
	switch o := object.(type) {
	case *batchv1.Job:
		trimJob(o)
	case *corev1.Pod:
		trimPod(o)
	}
}

func trimJob(j *batchv1.Job) {
	j.ManagedFields, j.OwnerReferences, j.Labels = nil, nil, identityLabels(j.Labels)
	deleteForeign(j.Annotations)
	template := &j.Spec.Template
	template.ObjectMeta.Annotations, template.ObjectMeta.Labels = nil, nil
	template.Spec = corev1.PodSpec{
		RestartPolicy: template.Spec.RestartPolicy,
		Containers:    trimContainers(template.Spec.Containers),
	}
	j.Spec.PodFailurePolicy, j.Spec.Selector = nil, nil
}

func trimPod(pod *corev1.Pod) {
	pod.ManagedFields, pod.OwnerReferences, pod.Labels = nil, nil, identityLabels(pod.Labels)
	deleteForeign(pod.Annotations)
	pod.Spec = corev1.PodSpec{
		NodeName:       pod.Spec.NodeName,
		RestartPolicy:  pod.Spec.RestartPolicy,
		InitContainers: trimContainers(pod.Spec.InitContainers),
		Containers:     trimContainers(pod.Spec.Containers),
	}
	pod.Status.HostIPs, pod.Status.PodIPs = nil, nil
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
func trimContainers(containers []corev1.Container) []corev1.Container {
	if len(containers) == 0 {
		return nil
	}
	trimmed := make([]corev1.Container, len(containers))
	for i, c := range containers {
		trimmed[i].Name, trimmed[i].RestartPolicy = c.Name, c.RestartPolicy
		if memory, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
			trimmed[i].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: memory}
		}
	}
	return trimmed
}
