package kube

import (
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// trim keeps of a Job or pod what Observe and Release read: ten thousand of them have to fit into a small
// pod. It gets objects that nobody else holds yet.
func trim(object any) (any, error) {
	switch o := object.(type) {
	case *batchv1.Job:
		trimJob(o)
	case *corev1.Pod:
		o.ManagedFields, o.OwnerReferences, o.Labels = nil, nil, keepIdentity(o.Labels)
		keepOurs(o.Annotations)
		o.Spec = corev1.PodSpec{NodeName: o.Spec.NodeName, RestartPolicy: o.Spec.RestartPolicy,
			InitContainers: trimContainers(o.Spec.InitContainers), Containers: trimContainers(o.Spec.Containers)}
		o.Status.HostIPs, o.Status.PodIPs = nil, nil
	}
	return object, nil
}

func trimJob(j *batchv1.Job) {
	j.ManagedFields, j.OwnerReferences, j.Labels = nil, nil, keepIdentity(j.Labels)
	keepOurs(j.Annotations)
	template := &j.Spec.Template
	template.ObjectMeta.Annotations, template.ObjectMeta.Labels = nil, nil
	template.Spec = corev1.PodSpec{
		RestartPolicy: template.Spec.RestartPolicy,
		Containers:    trimContainers(template.Spec.Containers),
	}
	j.Spec.PodFailurePolicy, j.Spec.Selector = nil, nil
}

// keepIdentity keeps whose a Job or pod is.
func keepIdentity(labels map[string]string) map[string]string {
	kept := make(map[string]string, 4)
	for _, key := range []string{manifest.LabelInstallation, manifest.LabelRunID, manifest.LabelAttempt, batchv1.ControllerUidLabel} {
		if value, ok := labels[key]; ok {
			kept[key] = value
		}
	}
	return kept
}

func keepOurs(annotations map[string]string) {
	maps.DeleteFunc(annotations, func(key, _ string) bool { return !strings.HasPrefix(key, "berth.dev/") })
}

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
