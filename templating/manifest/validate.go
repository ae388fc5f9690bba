package manifest

import (
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// validator applies the rules of Kubernetes that need no API server to a Job that is decoded.
type validator struct{ problems templating.Problems }

// validate returns everything that an API server would refuse, as far as that can be known without one.
func validate(job *batchv1.Job) templating.Problems {
	v := &validator{}
	v.name(manifestPointer.key("metadata").key("namespace"), job.Namespace, validation.IsDNS1123Label)
	pod := manifestPointer.key("spec").key("template").key("spec")
	v.pod(&job.Spec.Template.Spec, pod)
	return v.problems
}

func (v *validator) fail(code string, at pointer, format string, args ...any) {
	v.problems = append(v.problems, problem(code, string(at), format, args...))
}

// name checks a name that may be absent.
func (v *validator) name(at pointer, name string, rule func(string) []string) {
	if name == "" {
		return
	}
	for _, message := range rule(name) {
		v.fail(templating.CodeInvalid, at, "%q is not a valid name: %s", name, message)
	}
}

func (v *validator) pod(pod *corev1.PodSpec, at pointer) {
	if len(pod.Containers) == 0 {
		v.fail(templating.CodeRequired, at.key("containers"), "a Job needs at least one container")
	}
	names := map[string]bool{}
	for i := range pod.InitContainers {
		v.container(&pod.InitContainers[i], at.key("initContainers").index(i), names)
	}
	for i := range pod.Containers {
		v.container(&pod.Containers[i], at.key("containers").index(i), names)
	}
	if p := pod.RestartPolicy; p != corev1.RestartPolicyNever && p != corev1.RestartPolicyOnFailure {
		v.fail(templating.CodeInvalid, at.key("restartPolicy"), "must be Never or OnFailure, not %s", strconv.Quote(string(p)))
	}
}

func (v *validator) container(c *corev1.Container, at pointer, names map[string]bool) {
	switch {
	case c.Name == "":
		v.fail(templating.CodeRequired, at.key("name"), "a container needs a name")
	case names[c.Name]:
		v.fail(templating.CodeInvalid, at.key("name"), "two containers are named %q", c.Name)
	default:
		v.name(at.key("name"), c.Name, validation.IsDNS1123Label)
	}
	names[c.Name] = true
	if c.Image == "" {
		v.fail(templating.CodeRequired, at.key("image"), "container %q needs an image", c.Name)
	}
}
