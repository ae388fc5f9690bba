package manifest

import (
	"net"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating"
)

// validator applies the rules of Kubernetes that need no API server to a Job that is decoded.
type validator struct {
	problems templating.Problems
	// broken are the places that could not be decoded: what is missing there has been said already.
	broken templating.Problems
	grace  int64 // terminationGracePeriodSeconds of the pod
}

// validate returns everything that an API server would refuse, as far as that can be known without one.
func validate(job *batchv1.Job, broken templating.Problems) templating.Problems {
	v := &validator{broken: broken}
	spec := manifestPointer.key("spec")
	v.metadata(&job.ObjectMeta.Labels, &job.ObjectMeta.Annotations, manifestPointer.key("metadata"))
	v.name(manifestPointer.key("metadata").key("namespace"), job.Namespace, validation.IsDNS1123Label)
	for i, finalizer := range job.Finalizers {
		v.name(manifestPointer.key("metadata").key("finalizers").item(i), finalizer,
			validation.IsQualifiedName)
	}
	v.job(&job.Spec, spec)
	meta := &job.Spec.Template.ObjectMeta
	v.metadata(&meta.Labels, &meta.Annotations, spec.key("template").key("metadata"))
	v.pod(&job.Spec.Template.Spec, spec.key("template").key("spec"))
	return v.problems
}

func (v *validator) fail(code string, at pointer, format string, args ...any) {
	if len(v.problems) >= maxProblems {
		return
	}
	place := at.String()
	if slices.ContainsFunc(
		v.broken,
		func(p templating.Problem) bool { return isInside(p.Pointer, place) || isInside(place, p.Pointer) },
	) {
		return
	}
	keep(&v.problems, problem(code, place, format, args...))
}

// isInside is true for a place that is another, or a part of it.
func isInside(place, of string) bool {
	return strings.HasPrefix(place, of) && (len(place) == len(of) || place[len(of)] == '/')
}

// name checks a name that may be absent.
func (v *validator) name(at pointer, name string, rule func(string) []string) {
	if name == "" {
		return
	}
	if messages := rule(name); len(messages) > 0 {
		for i, message := range messages {
			messages[i], _, _ = strings.Cut(message,
				" (e.g. ") // the examples and the pattern hide what is to be done
		}
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
		v.fail(templating.CodeInvalid, at.key("annotations"),
			"the limit for all annotations is %d bytes; these have %d", maxAnnotations, size)
	}
}

// isOurs is true for keys that Berth has set itself.
func isOurs(key string) bool {
	return strings.HasPrefix(key, Prefix) || key == LabelAppName || key == LabelAppComponent ||
		key == LabelAppManagedBy
}

// maxAnnotations is what Kubernetes allows in all.
const maxAnnotations = 256 << 10

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
	v.fail(templating.CodeInvalid, at, "must be %s, not %s", strings.Join(names, " or "),
		strconv.Quote(string(*word)))
}

// oneOfGiven checks a word that may be absent, but not empty.
func oneOfGiven[T ~string](v *validator, at pointer, word *T, allowed ...T) {
	if word != nil && *word == "" {
		v.fail(templating.CodeInvalid, at, "must not be empty; remove it, or write %q", string(allowed[0]))
		return
	}
	oneOf(v, at, word, allowed...)
}

// nameGiven checks a name that may be absent, but not empty.
func (v *validator) nameGiven(at pointer, name *string, rule func(string) []string) {
	if name == nil {
		return
	}
	v.required(at, *name, "must not be empty; remove it, or write a name")
	v.name(at, *name, rule)
}

func (v *validator) pod(pod *corev1.PodSpec, at pointer) {
	if len(pod.Containers) == 0 {
		v.fail(templating.CodeRequired, at.key("containers"), "a Job needs at least one container")
	}
	oneOf(v, at.key("restartPolicy"), &pod.RestartPolicy, corev1.RestartPolicyNever,
		corev1.RestartPolicyOnFailure)
	v.atLeast(at.key("terminationGracePeriodSeconds"), pod.TerminationGracePeriodSeconds, 0)
	v.atLeast(at.key("activeDeadlineSeconds"), pod.ActiveDeadlineSeconds, 1)
	v.name(at.key("serviceAccountName"), pod.ServiceAccountName, validation.IsDNS1123Subdomain)
	v.nameGiven(at.key("runtimeClassName"), pod.RuntimeClassName, validation.IsDNS1123Subdomain)
	if pod.OS != nil {
		v.required(at.key("os").key("name"), string(pod.OS.Name), "os needs a name: linux or windows")
		oneOf(v, at.key("os").key("name"), &pod.OS.Name, corev1.Linux, corev1.Windows)
	}
	for i, gate := range pod.ReadinessGates {
		place := at.key("readinessGates").item(i).key("conditionType")
		v.required(place, string(gate.ConditionType), "a readiness gate needs a conditionType")
		v.name(place, string(gate.ConditionType), validation.IsQualifiedName)
	}
	for name, amount := range pod.Overhead {
		v.quantity(at.key("overhead").key(string(name)), name, amount)
	}
	v.name(at.key("hostname"), pod.Hostname, validation.IsDNS1123Label)
	v.name(at.key("subdomain"), pod.Subdomain, validation.IsDNS1123Label)
	v.grace = ptr.Deref(pod.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	v.dns(pod, at)
	v.scheduling(pod, at)
	v.podSecurityContext(pod.SecurityContext, at.key("securityContext"))
	v.users(pod, at)
	v.claims(pod, at)
	v.name(at.key("nodeName"), pod.NodeName, validation.IsDNS1123Subdomain)
	if pod.HostPID && pod.ShareProcessNamespace != nil && *pod.ShareProcessNamespace {
		v.fail(templating.CodeInvalid, at.key("shareProcessNamespace"),
			"cannot be true together with hostPID")
	}
	for i, secret := range pod.ImagePullSecrets {
		v.name(at.key("imagePullSecrets").item(i).key("name"), secret.Name, validation.IsDNS1123Subdomain)
	}
	volumes := v.volumes(pod.Volumes, at.key("volumes"))
	names := map[string]bool{}
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		place := at.key("initContainers").item(i)
		sidecar := corev1.ContainerRestartPolicyAlways
		oneOf(v, place.key("restartPolicy"), c.RestartPolicy, sidecar, corev1.ContainerRestartPolicyNever,
			corev1.ContainerRestartPolicyOnFailure)
		v.container(c, place, names, volumes)
		v.lifecycle(c, place, c.RestartPolicy == nil || *c.RestartPolicy != sidecar)
		v.ports(c, place, pod.HostNetwork)
		v.securityContext(c.SecurityContext, place.key("securityContext"))
	}
	for i := range pod.Containers {
		c := &pod.Containers[i]
		place := at.key("containers").item(i)
		v.container(c, place, names, volumes)
		v.lifecycle(c, place, false)
		v.ports(c, place, pod.HostNetwork)
		v.securityContext(c.SecurityContext, place.key("securityContext"))
	}
	if len(pod.EphemeralContainers) > 0 {
		v.fail(templating.CodeInvalid, at.key("ephemeralContainers"),
			"ephemeral containers are not allowed in a manifest")
	}
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
		v.fail(templating.CodeInvalid, at.key("image"), "invalid image %q", c.Image)
	}
	oneOf(v, at.key("imagePullPolicy"), &c.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent,
		corev1.PullNever)
	oneOf(v, at.key("terminationMessagePolicy"), &c.TerminationMessagePolicy, corev1.TerminationMessageReadFile,
		corev1.TerminationMessageFallbackToLogsOnError)
	v.environment(c, at)
	v.resources(&c.Resources, at.key("resources"))
	v.mounts(c, at, volumes)
}

func (v *validator) environment(c *corev1.Container, at pointer) {
	for _, env := range c.Env {
		place := at.key("env")
		if messages := validation.IsRelaxedEnvVarName(env.Name); len(messages) > 0 {
			v.fail(templating.CodeInvalid, place, "%q is not the name of an environment variable: %s",
				env.Name, strings.Join(messages, "; "))
		}
		if from := env.ValueFrom; from != nil {
			v.valueFrom(from, env, place)
		}
	}
	for i, from := range c.EnvFrom {
		place := at.key("envFrom").item(i)
		if from.Prefix != "" && len(validation.IsRelaxedEnvVarName(from.Prefix)) > 0 {
			v.fail(templating.CodeInvalid, place.key("prefix"), "%q cannot begin the name of an environment variable",
				from.Prefix)
		}
		v.exactlyOne(place, "envFrom",
			map[string]bool{"configMapRef": from.ConfigMapRef != nil, "secretRef": from.SecretRef != nil})
		if from.ConfigMapRef != nil {
			v.required(place.key("configMapRef").key("name"), from.ConfigMapRef.Name,
				"a configMapRef needs a name")
			v.name(place.key("configMapRef").key("name"), from.ConfigMapRef.Name, validation.IsDNS1123Subdomain)
		}
		if from.SecretRef != nil {
			v.required(place.key("secretRef").key("name"), from.SecretRef.Name, "a secretRef needs a name")
			v.name(place.key("secretRef").key("name"), from.SecretRef.Name, validation.IsDNS1123Subdomain)
		}
	}
}

func (v *validator) valueFrom(from *corev1.EnvVarSource, env corev1.EnvVar, at pointer) {
	if env.Value != "" {
		v.fail(templating.CodeInvalid, at, "%s has both value and valueFrom; only one is allowed", env.Name)
		return
	}
	v.exactlyOne(
		at,
		"the valueFrom of "+env.Name,
		map[string]bool{"configMapKeyRef": from.ConfigMapKeyRef != nil, "fieldRef": from.FieldRef != nil,
			"fileKeyRef": from.FileKeyRef != nil, "resourceFieldRef": from.ResourceFieldRef != nil, "secretKeyRef": from.SecretKeyRef != nil},
	)
	switch {
	case from.SecretKeyRef != nil && (from.SecretKeyRef.Name == "" || from.SecretKeyRef.Key == ""):
		v.fail(templating.CodeRequired, at, "the secretKeyRef of %s needs a name and a key", env.Name)
	case from.ConfigMapKeyRef != nil && (from.ConfigMapKeyRef.Name == "" || from.ConfigMapKeyRef.Key == ""):
		v.fail(templating.CodeRequired, at, "the configMapKeyRef of %s needs a name and a key", env.Name)
	case from.FieldRef != nil && from.FieldRef.FieldPath == "":
		v.fail(templating.CodeRequired, at, "the fieldRef of %s needs a fieldPath", env.Name)
	case from.ResourceFieldRef != nil && from.ResourceFieldRef.Resource == "":
		v.fail(templating.CodeRequired, at, "the resourceFieldRef of %s needs a resource", env.Name)
	case from.SecretKeyRef != nil && from.FieldRef == nil:
		v.name(at, from.SecretKeyRef.Name, validation.IsDNS1123Subdomain)
		v.name(at, from.SecretKeyRef.Key, validation.IsConfigMapKey)
	case from.ConfigMapKeyRef != nil:
		v.name(at, from.ConfigMapKeyRef.Name, validation.IsDNS1123Subdomain)
		v.name(at, from.ConfigMapKeyRef.Key, validation.IsConfigMapKey)
	case from.FieldRef != nil && from.SecretKeyRef == nil:
		if version := from.FieldRef.APIVersion; version != "" && version != "v1" {
			v.fail(templating.CodeInvalid, at, "the apiVersion of the fieldRef of %s must be v1, not %.40q", env.Name, version)
		}
		v.fieldPath(at, from.FieldRef.FieldPath, envFields)
	case from.ResourceFieldRef != nil:
		v.resourceField(at, from.ResourceFieldRef)
	}
}

func (v *validator) dns(pod *corev1.PodSpec, at pointer) {
	oneOf(v, at.key("dnsPolicy"), &pod.DNSPolicy, corev1.DNSClusterFirst, corev1.DNSClusterFirstWithHostNet,
		corev1.DNSDefault, corev1.DNSNone)
	if pod.DNSPolicy == corev1.DNSNone && (pod.DNSConfig == nil || len(pod.DNSConfig.Nameservers) == 0) {
		v.fail(templating.CodeRequired, at.key("dnsConfig").key("nameservers"),
			"dnsPolicy None needs at least one nameserver")
	}
	v.dnsConfig(pod.DNSConfig, at.key("dnsConfig"))
	for i, alias := range pod.HostAliases {
		v.address(at.key("hostAliases").item(i).key("ip"), alias.IP)
		for j, name := range alias.Hostnames {
			place := at.key("hostAliases").item(i).key("hostnames").item(j)
			v.required(place, name, "a host name must not be empty")
			v.name(place, name, validation.IsDNS1123Subdomain)
		}
	}
}

func (v *validator) address(at pointer, text string) {
	if net.ParseIP(text) == nil {
		v.fail(templating.CodeInvalid, at, "%q is not an IP address", text)
	}
}

// resources checks that nothing is negative and that no request is above its limit.
func (v *validator) resources(r *corev1.ResourceRequirements, at pointer) {
	for kind, list := range map[string]corev1.ResourceList{"requests": r.Requests, "limits": r.Limits} {
		for name, quantity := range list {
			v.name(at.key(kind).key(string(name)), string(name), validation.IsQualifiedName)
			v.quantity(at.key(kind).key(string(name)), name, quantity)
			if quantity.Sign() < 0 {
				v.fail(templating.CodeInvalid, at.key(kind).key(string(name)), "must not be negative")
			}
			if kind == "requests" && needsLimit(name) {
				if limit, ok := r.Limits[name]; !ok || limit.Cmp(quantity) != 0 {
					v.fail(templating.CodeInvalid, at.key(kind).key(string(name)),
						"%s must have a limit equal to its request", name)
				}
				continue
			}
			if limit, ok := r.Limits[name]; ok && kind == "requests" && exceeds(quantity, limit) {
				v.fail(templating.CodeInvalid, at.key(kind).key(string(name)),
					"request %s exceeds limit %s", quantity.String(), limit.String())
			}
		}
	}
}

func exceeds(request, limit resource.Quantity) bool { return request.Cmp(limit) > 0 }

// needsLimit is true for what is handed out whole: huge pages, and devices such as nvidia.com/gpu.
func needsLimit(name corev1.ResourceName) bool {
	domain, _, extended := strings.Cut(string(name), "/")
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) ||
		extended && !strings.HasSuffix(domain, "kubernetes.io")
}
