package manifest

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
)

func TestAReportedJobMayDifferOnlyInWhatMattersLittle(t *testing.T) {
	const template = `
variables: {type: object, properties: {image: {type: string, default: "busybox:1.36"}}}
job_configuration:
  namespace: jobs
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers: [{name: job, image: "{{ image }}", args: [a], envFrom: [{secretRef: {name: db}}]}]
`
	newJob := func() *Finished {
		parsed, err := templating.Parse([]byte(template))
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := templating.DefaultRegistry().Compile(parsed)
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := compiled.Render(t.Context(), templating.Input{})
		if err != nil {
			t.Fatal(err)
		}
		finished, err := Build(rendered, SampleIdentity())
		if err != nil {
			t.Fatal(err)
		}
		return finished
	}
	tests := map[string]struct {
		change func(pod *corev1.PodSpec)
		want   string // empty: it may differ so
	}{
		"nothing": {func(*corev1.PodSpec) {}, ""},
		"an env value": {func(pod *corev1.PodSpec) {
			pod.Containers[0].Env = append(pod.Containers[0].Env, corev1.EnvVar{Name: "A", Value: "b"})
		}, ""},
		"an image":           {func(pod *corev1.PodSpec) { pod.Containers[0].Image = "evil" }, `has image "evil" instead of "busybox:1.36"`},
		"a command":          {func(pod *corev1.PodSpec) { pod.Containers[0].Command = []string{"sh"} }, "runs another command"},
		"another Secret":     {func(pod *corev1.PodSpec) { pod.Containers[0].EnvFrom[0].SecretRef.Name = "other" }, `it has Secret "other"`},
		"another container":  {func(pod *corev1.PodSpec) { pod.InitContainers = []corev1.Container{{Name: "x"}} }, "it has 1 init containers instead of 0"},
		"the host's network": {func(pod *corev1.PodSpec) { pod.HostNetwork = true }, "it has field hostNetwork"},
		"a ServiceAccount":   {func(pod *corev1.PodSpec) { pod.ServiceAccountName = "admin" }, `it has ServiceAccount "admin"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			finished := newJob()
			reported := finished.Job.DeepCopy()
			finished.FromWorker.ServiceAccount = false
			test.change(&reported.Spec.Template.Spec)
			why, err := finished.Deviation(reported)
			if err != nil {
				t.Fatal(err)
			}
			if why != test.want && (test.want == "" || !strings.Contains(why, test.want)) {
				t.Errorf("it deviates: %q, want %q", why, test.want)
			}
		})
	}

	finished := newJob()
	reported := finished.Job.DeepCopy()
	reported.Namespace = "kube-system"
	if why, err := finished.Deviation(reported); err != nil || !strings.Contains(why, `namespace "kube-system"`) {
		t.Errorf("it deviates: %q, %v", why, err)
	}
}
