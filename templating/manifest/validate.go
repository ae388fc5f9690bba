package manifest

import (
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// validator applies the rules of Kubernetes that need no API server to a Job that is decoded.
type validator struct {
	problems templating.Problems
	// broken are the places that could not be decoded: what is missing there has been said already.
	broken templating.Problems
}

// validate returns everything that an API server would refuse, as far as that can be known without one.
func validate(job *batchv1.Job, broken templating.Problems) templating.Problems {
	v := &validator{broken: broken}
	spec := manifestPointer.key("spec")
	v.metadata(&job.ObjectMeta.Labels, &job.ObjectMeta.Annotations, manifestPointer.key("metadata"))
	v.name(manifestPointer.key("metadata").key("namespace"), job.Namespace, validation.IsDNS1123Label)
	for i, finalizer := range job.Finalizers {
		v.name(manifestPointer.key("metadata").key("finalizers").item(i), finalizer, validation.IsQualifiedName)
	}
	v.job(&job.Spec, spec)
	meta := &job.Spec.Template.ObjectMeta
	v.metadata(&meta.Labels, &meta.Annotations, spec.key("template").key("metadata"))
	v.pod(&job.Spec.Template.Spec, spec.key("template").key("spec"))
	return v.problems
}

func (v *validator) fail(code string, at pointer, format string, args ...any) {
	place := at.String()
	for _, p := range v.broken {
		if strings.HasPrefix(p.Pointer, place) || strings.HasPrefix(place, p.Pointer+"/") {
			return
		}
	}
	v.problems = append(v.problems, problem(code, place, format, args...))
}

// name checks a name that may be absent.
func (v *validator) name(at pointer, name string, rule func(string) []string) {
	if name == "" {
		return
	}
	if messages := rule(name); len(messages) > 0 {
		v.fail(templating.CodeInvalid, at, "%q is not a valid name: %s", name, strings.Join(messages, "; "))
	}
}

func (v *validator) metadata(labels, annotations *map[string]string, at pointer) {
	for key := range *labels {
		if !isOurs(key) {
			v.name(at.key("labels").key(key), key, validation.IsQualifiedName)
		}
	}
	size := 0
	for key, value := range *annotations {
		size += len(key) + len(value)
		if !isOurs(key) {
			v.name(at.key("annotations").key(key), strings.ToLower(key), validation.IsQualifiedName)
		}
	}
	if size > maxAnnotations {
		v.fail(templating.CodeInvalid, at.key("annotations"), "annotations may have %d bytes in all, these have %d", maxAnnotations, size)
	}
}

// isOurs is true for keys that Berth has set itself.
func isOurs(key string) bool {
	return strings.HasPrefix(key, Prefix) || key == LabelAppName || key == LabelAppComponent || key == LabelAppManagedBy
}

// maxAnnotations is what Kubernetes allows in all.
const maxAnnotations = 256 << 10

func (v *validator) job(spec *batchv1.JobSpec, at pointer) {
	v.atLeast(at.key("activeDeadlineSeconds"), spec.ActiveDeadlineSeconds, 1)
	v.atLeast32(at.key("parallelism"), spec.Parallelism, 0)
	v.atLeast32(at.key("completions"), spec.Completions, 1)
	if spec.Selector != nil || spec.ManualSelector != nil {
		v.fail(templating.CodeInvalid, at.key("selector"), "a Job selects its own pods; leave selector and manualSelector out")
	}
	if indexed := spec.CompletionMode != nil && *spec.CompletionMode == batchv1.IndexedCompletion; indexed && spec.Completions == nil {
		v.fail(templating.CodeRequired, at.key("completions"), "completionMode Indexed needs completions")
	}
	oneOf(v, at.key("completionMode"), spec.CompletionMode, batchv1.NonIndexedCompletion, batchv1.IndexedCompletion)
	oneOf(v, at.key("podReplacementPolicy"), spec.PodReplacementPolicy, batchv1.Failed, batchv1.TerminatingOrFailed)
	if policy := spec.PodFailurePolicy; policy != nil && spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		v.fail(templating.CodeInvalid, at.key("podFailurePolicy"), "needs restartPolicy Never")
	}
}

func (v *validator) atLeast(at pointer, n *int64, least int64) {
	if n != nil && *n < least {
		v.fail(templating.CodeInvalid, at, "must be at least %d, not %d", least, *n)
	}
}

func (v *validator) atLeast32(at pointer, n *int32, least int64) {
	if n != nil {
		wide := int64(*n)
		v.atLeast(at, &wide, least)
	}
}

// oneOf checks a word that may be absent.
func oneOf[T ~string](v *validator, at pointer, word *T, allowed ...T) {
	if word == nil || *word == "" {
		return
	}
	names := make([]string, 0, len(allowed))
	for _, name := range allowed {
		if *word == name {
			return
		}
		names = append(names, string(name))
	}
	v.fail(templating.CodeInvalid, at, "must be %s, not %s", strings.Join(names, " or "), strconv.Quote(string(*word)))
}

func (v *validator) pod(pod *corev1.PodSpec, at pointer) {
	if len(pod.Containers) == 0 {
		v.fail(templating.CodeRequired, at.key("containers"), "a Job needs at least one container")
	}
	oneOf(v, at.key("restartPolicy"), &pod.RestartPolicy, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)
	v.atLeast(at.key("terminationGracePeriodSeconds"), pod.TerminationGracePeriodSeconds, 0)
	v.atLeast(at.key("activeDeadlineSeconds"), pod.ActiveDeadlineSeconds, 1)
	v.name(at.key("serviceAccountName"), pod.ServiceAccountName, validation.IsDNS1123Subdomain)
	v.name(at.key("priorityClassName"), pod.PriorityClassName, validation.IsDNS1123Subdomain)
	for key, value := range pod.NodeSelector {
		v.name(at.key("nodeSelector").key(key), key, validation.IsQualifiedName)
		v.name(at.key("nodeSelector").key(key), value, validation.IsValidLabelValue)
	}
	for i := range pod.Tolerations {
		v.toleration(&pod.Tolerations[i], at.key("tolerations").item(i))
	}
	for i, secret := range pod.ImagePullSecrets {
		v.name(at.key("imagePullSecrets").item(i).key("name"), secret.Name, validation.IsDNS1123Subdomain)
	}
	volumes := v.volumes(pod.Volumes, at.key("volumes"))
	names := map[string]bool{}
	for i := range pod.InitContainers {
		v.container(&pod.InitContainers[i], at.key("initContainers").item(i), names, volumes)
	}
	for i := range pod.Containers {
		v.container(&pod.Containers[i], at.key("containers").item(i), names, volumes)
	}
	if len(pod.EphemeralContainers) > 0 {
		v.fail(templating.CodeInvalid, at.key("ephemeralContainers"), "ephemeral containers can not be in a manifest")
	}
}

func (v *validator) toleration(t *corev1.Toleration, at pointer) {
	oneOf(v, at.key("operator"), &t.Operator, corev1.TolerationOpExists, corev1.TolerationOpEqual, "Lt", "Gt")
	oneOf(v, at.key("effect"), &t.Effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)
	v.name(at.key("key"), t.Key, validation.IsQualifiedName)
	if t.Key == "" && t.Operator != corev1.TolerationOpExists {
		v.fail(templating.CodeInvalid, at.key("operator"), "must be Exists when there is no key")
	}
	if t.Operator == corev1.TolerationOpExists && t.Value != "" {
		v.fail(templating.CodeInvalid, at.key("value"), "must be empty when the operator is Exists")
	}
}

// volumes returns the names of the volumes that are declared.
func (v *validator) volumes(volumes []corev1.Volume, at pointer) map[string]bool {
	names := map[string]bool{}
	for i := range volumes {
		name := volumes[i].Name
		switch {
		case name == "":
			v.fail(templating.CodeRequired, at.item(i).key("name"), "a volume needs a name")
		case names[name]:
			v.fail(templating.CodeInvalid, at.item(i).key("name"), "two volumes are named %q", name)
		default:
			v.name(at.item(i).key("name"), name, validation.IsDNS1123Label)
		}
		names[name] = true
	}
	return names
}

func (v *validator) container(c *corev1.Container, at pointer, names, volumes map[string]bool) {
	switch {
	case c.Name == "":
		v.fail(templating.CodeRequired, at.key("name"), "a container needs a name")
	case names[c.Name]:
		v.fail(templating.CodeInvalid, at.key("name"), "two containers are named %q", c.Name)
	default:
		v.name(at.key("name"), c.Name, validation.IsDNS1123Label)
	}
	names[c.Name] = true
	switch {
	case c.Image == "":
		v.fail(templating.CodeRequired, at.key("image"), "container %q needs an image", c.Name)
	case strings.TrimSpace(c.Image) != c.Image || strings.Contains(c.Image, "{{"):
		v.fail(templating.CodeInvalid, at.key("image"), "%q is not an image", c.Image)
	}
	oneOf(v, at.key("imagePullPolicy"), &c.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
	v.environment(c, at)
	v.resources(&c.Resources, at.key("resources"))
	v.mounts(c, at, volumes)
	for i, port := range c.Ports {
		if port.ContainerPort < 1 || port.ContainerPort > 65535 {
			v.fail(templating.CodeInvalid, at.key("ports").item(i).key("containerPort"), "must be between 1 and 65535, not %d", port.ContainerPort)
		}
		oneOf(v, at.key("ports").item(i).key("protocol"), &port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
	}
}

func (v *validator) environment(c *corev1.Container, at pointer) {
	for _, env := range c.Env {
		place := at.key("env")
		if messages := validation.IsRelaxedEnvVarName(env.Name); len(messages) > 0 {
			v.fail(templating.CodeInvalid, place, "%q is not the name of an environment variable: %s", env.Name, strings.Join(messages, "; "))
		}
		from := env.ValueFrom
		switch {
		case from == nil:
		case env.Value != "":
			v.fail(templating.CodeInvalid, place, "%s has a value and a valueFrom, one is allowed", env.Name)
		case from.SecretKeyRef != nil && (from.SecretKeyRef.Name == "" || from.SecretKeyRef.Key == ""):
			v.fail(templating.CodeRequired, place, "the secretKeyRef of %s needs a name and a key", env.Name)
		case from.ConfigMapKeyRef != nil && (from.ConfigMapKeyRef.Name == "" || from.ConfigMapKeyRef.Key == ""):
			v.fail(templating.CodeRequired, place, "the configMapKeyRef of %s needs a name and a key", env.Name)
		}
	}
}

// resources checks that nothing is negative and that no request is above its limit.
func (v *validator) resources(r *corev1.ResourceRequirements, at pointer) {
	for kind, list := range map[string]corev1.ResourceList{"requests": r.Requests, "limits": r.Limits} {
		for name, quantity := range list {
			v.name(at.key(kind).key(string(name)), string(name), validation.IsQualifiedName)
			if quantity.Sign() < 0 {
				v.fail(templating.CodeInvalid, at.key(kind).key(string(name)), "must not be negative")
			}
			if limit, ok := r.Limits[name]; ok && kind == "requests" && exceeds(quantity, limit) {
				v.fail(templating.CodeInvalid, at.key(kind).key(string(name)), "the request %s is above the limit %s", quantity.String(), limit.String())
			}
		}
	}
}

func exceeds(request, limit resource.Quantity) bool { return request.Cmp(limit) > 0 }

func (v *validator) mounts(c *corev1.Container, at pointer, volumes map[string]bool) {
	paths := map[string]bool{}
	for i, mount := range c.VolumeMounts {
		place := at.key("volumeMounts").item(i)
		if !volumes[mount.Name] {
			v.fail(templating.CodeInvalid, place.key("name"), "there is no volume %q", mount.Name)
		}
		switch {
		case mount.MountPath == "":
			v.fail(templating.CodeRequired, place.key("mountPath"), "a mount needs a path")
		case paths[mount.MountPath]:
			v.fail(templating.CodeInvalid, place.key("mountPath"), "two volumes are mounted at %q", mount.MountPath)
		}
		paths[mount.MountPath] = true
	}
}
