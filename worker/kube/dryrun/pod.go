package dryrun

import (
	"fmt"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// indexEnv is the environment variable with the index of an Indexed Job.
const indexEnv = "JOB_COMPLETION_INDEX"

// PodOf is the first pod that the Job controller makes of a Job as the API server has completed it. Only its user differs:
// a webhook or policy that looks at who asks sees the worker.
func PodOf(j *batchv1.Job) *corev1.Pod {
	template := j.Spec.Template.DeepCopy()
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: j.Name + "-", Namespace: j.Namespace,
			Labels: maps.Clone(template.Labels), Annotations: maps.Clone(template.Annotations),
			Finalizers: append(template.Finalizers, batchv1.JobTrackingFinalizer),
		},
		Spec: template.Spec,
	}
	if j.UID != "" {
		pod.OwnerReferences = []metav1.OwnerReference{
			*metav1.NewControllerRef(j, batchv1.SchemeGroupVersion.WithKind("Job")),
		}
	}
	if manifest.ShapeOf(&j.Spec) == manifest.Indexed {
		index(pod, j.Name)
	}
	return pod
}

// index makes it the pod of index 0.
func index(pod *corev1.Pod, name string) {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Labels[batchv1.JobCompletionIndexAnnotation] = "0"
	pod.Annotations[batchv1.JobCompletionIndexAnnotation] = "0"
	pod.Spec.Hostname = name + "-0"
	pod.GenerateName = name + "-0-"
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			addIndex(&list[i])
		}
	}
}

func addIndex(c *corev1.Container) {
	for _, v := range c.Env {
		if v.Name == indexEnv {
			return
		}
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: indexEnv, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{
			APIVersion: "v1",
			FieldPath:  fmt.Sprintf("metadata.labels['%s']", batchv1.JobCompletionIndexAnnotation),
		},
	}})
}
