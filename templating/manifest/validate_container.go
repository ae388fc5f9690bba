package manifest

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// required fails where a text that must be there is empty.
func (v *validator) required(at pointer, text, format string, args ...any) {
	if text == "" {
		v.fail(templating.CodeRequired, at, format, args...)
	}
}

// exactlyOne fails unless one of the alternatives is there. Which are is said by name.
func (v *validator) exactlyOne(at pointer, what string, given map[string]bool) {
	var names, set []string
	for name, is := range given {
		names = append(names, name)
		if is {
			set = append(set, name)
		}
	}
	slices.Sort(names)
	slices.Sort(set)
	switch {
	case len(set) == 0:
		v.fail(templating.CodeRequired, at, "%s must have one of %s", what, strings.Join(names, ", "))
	case len(set) > 1:
		v.fail(templating.CodeInvalid, at, "%s has %s; only one is allowed", what, strings.Join(set, " and "))
	}
}

// lifecycle checks what only runs in a container that stays: probes and hooks are not for init containers
// that end.
func (v *validator) lifecycle(c *corev1.Container, at pointer, ends bool) {
	for name, probe := range map[string]*corev1.Probe{"livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe, "startupProbe": c.StartupProbe} {
		if probe == nil {
			continue
		}
		if ends {
			v.fail(templating.CodeInvalid, at.key(name),
				"an init container cannot have probes unless its restartPolicy is Always")
			continue
		}
		v.probe(probe, at.key(name), name)
	}
	if c.Lifecycle == nil {
		return
	}
	if ends {
		v.fail(templating.CodeInvalid, at.key("lifecycle"),
			"an init container cannot have lifecycle hooks unless its restartPolicy is Always")
		return
	}
	for name, hook := range map[string]*corev1.LifecycleHandler{"postStart": c.Lifecycle.PostStart, "preStop": c.Lifecycle.PreStop} {
		if hook == nil {
			continue
		}
		place := at.key("lifecycle").key(name)
		v.exactlyOne(
			place,
			"a hook",
			map[string]bool{
				"exec":      hook.Exec != nil,
				"httpGet":   hook.HTTPGet != nil,
				"tcpSocket": hook.TCPSocket != nil,
				"sleep":     hook.Sleep != nil,
			},
		)
		v.httpGet(hook.HTTPGet, place.key("httpGet"))
		if hook.Exec != nil && len(hook.Exec.Command) == 0 {
			v.fail(templating.CodeRequired, place.key("exec").key("command"), "a hook with exec needs a command")
		}
		if sleep := hook.Sleep; sleep != nil && (sleep.Seconds < 0 || sleep.Seconds > v.grace) {
			v.fail(templating.CodeInvalid, place.key("sleep").key("seconds"),
				"must be between 0 and terminationGracePeriodSeconds (%d), not %d", v.grace, sleep.Seconds)
		}
		if hook.TCPSocket != nil {
			v.port(place.key("tcpSocket").key("port"), hook.TCPSocket.Port)
		}
	}
}

func (v *validator) probe(p *corev1.Probe, at pointer, name string) {
	v.exactlyOne(
		at,
		"a probe",
		map[string]bool{
			"exec":      p.Exec != nil,
			"httpGet":   p.HTTPGet != nil,
			"tcpSocket": p.TCPSocket != nil,
			"grpc":      p.GRPC != nil,
		},
	)
	v.httpGet(p.HTTPGet, at.key("httpGet"))
	if p.TCPSocket != nil {
		v.port(at.key("tcpSocket").key("port"), p.TCPSocket.Port)
	}
	if p.GRPC != nil {
		v.port(at.key("grpc").key("port"), intstr.FromInt32(p.GRPC.Port))
	}
	if p.Exec != nil && len(p.Exec.Command) == 0 {
		v.fail(templating.CodeRequired, at.key("exec").key("command"), "an exec probe needs a command")
	}
	for field, seconds := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds, "timeoutSeconds": p.TimeoutSeconds, "periodSeconds": p.PeriodSeconds,
		"successThreshold": p.SuccessThreshold, "failureThreshold": p.FailureThreshold,
	} {
		v.atLeast32(at.key(field), &seconds, 0)
	}
	if name != "readinessProbe" && p.SuccessThreshold > 1 {
		v.fail(templating.CodeInvalid, at.key("successThreshold"), "must be 1 for a %s", name)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil {
		v.atLeast(at.key("terminationGracePeriodSeconds"), grace, 1)
		if name == "readinessProbe" {
			v.fail(templating.CodeInvalid, at.key("terminationGracePeriodSeconds"),
				"not allowed for a readinessProbe, which never stops its container")
		}
	}
}

func (v *validator) httpGet(action *corev1.HTTPGetAction, at pointer) {
	if action == nil {
		return
	}
	v.port(at.key("port"), action.Port)
	oneOf(v, at.key("scheme"), &action.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
	for i, header := range action.HTTPHeaders {
		place := at.key("httpHeaders").item(i).key("name")
		v.required(place, header.Name, "a header needs a name")
		v.name(place, header.Name, validation.IsHTTPHeaderName)
	}
}

// port is a number, or the name of a port of the container.
func (v *validator) port(at pointer, port intstr.IntOrString) {
	if port.Type == intstr.String {
		v.name(at, port.StrVal, validation.IsValidPortName)
		v.required(at, port.StrVal, "a port is a number or a name")
		return
	}
	if port.IntVal < 1 || port.IntVal > 65535 {
		v.fail(templating.CodeInvalid, at, "must be between 1 and 65535, not %d", port.IntVal)
	}
}

func (v *validator) ports(c *corev1.Container, at pointer, hostNetwork bool) {
	names := map[string]bool{}
	for i, port := range c.Ports {
		place := at.key("ports").item(i)
		if port.ContainerPort < 1 || port.ContainerPort > 65535 {
			v.fail(templating.CodeInvalid, place.key("containerPort"), "must be between 1 and 65535, not %d",
				port.ContainerPort)
		}
		if port.HostPort < 0 || port.HostPort > 65535 {
			v.fail(templating.CodeInvalid, place.key("hostPort"), "must be between 1 and 65535, not %d",
				port.HostPort)
		}
		if hostNetwork && port.HostPort != 0 && port.HostPort != port.ContainerPort {
			v.fail(templating.CodeInvalid, place.key("hostPort"),
				"must be the containerPort %d, because the pod uses the host's network", port.ContainerPort)
		}
		v.name(place.key("name"), port.Name, validation.IsValidPortName)
		if names[port.Name] && port.Name != "" {
			v.fail(templating.CodeInvalid, place.key("name"), "two ports are named %q", port.Name)
		}
		names[port.Name] = true
		oneOf(v, place.key("protocol"), &port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP,
			corev1.ProtocolSCTP)
	}
}

// securityContext refuses what the API server does.
func (v *validator) securityContext(s *corev1.SecurityContext, at pointer) {
	if s == nil {
		return
	}
	v.id(at.key("runAsUser"), s.RunAsUser)
	v.id(at.key("runAsGroup"), s.RunAsGroup)
	if s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation && s.Privileged != nil &&
		*s.Privileged {
		v.fail(templating.CodeInvalid, at.key("allowPrivilegeEscalation"),
			"cannot be false in a privileged container")
	}
	v.seccomp(s.SeccompProfile, at.key("seccompProfile"))
	v.appArmor(s.AppArmorProfile, at.key("appArmorProfile"))
	oneOfGiven(v, at.key("procMount"), s.ProcMount, corev1.DefaultProcMount, corev1.UnmaskedProcMount)
}

// users refuses root where root is not to be: the API server takes it, and the container never starts.
func (v *validator) users(pod *corev1.PodSpec, at pointer) {
	for key, containers := range map[string][]corev1.Container{"initContainers": pod.InitContainers, "containers": pod.Containers} {
		for i := range containers {
			var user *int64
			var nonRoot *bool
			if s := pod.SecurityContext; s != nil {
				user, nonRoot = s.RunAsUser, s.RunAsNonRoot
			}
			if s := containers[i].SecurityContext; s != nil {
				user, nonRoot = cmp.Or(s.RunAsUser, user), cmp.Or(s.RunAsNonRoot, nonRoot)
			}
			if user != nil && *user == 0 && nonRoot != nil && *nonRoot {
				v.fail(templating.CodeInvalid, at.key(key).item(i).key("securityContext").key("runAsUser"),
					"must not be 0 (root) because runAsNonRoot is true: container %q would never start",
					containers[i].Name)
			}
		}
	}
}

func (v *validator) seccomp(p *corev1.SeccompProfile, at pointer) {
	if p == nil {
		return
	}
	v.required(at.key("type"), string(p.Type), "a seccomp profile needs a type")
	oneOf(v, at.key("type"), &p.Type, corev1.SeccompProfileTypeRuntimeDefault,
		corev1.SeccompProfileTypeUnconfined, corev1.SeccompProfileTypeLocalhost)
	if local := p.Type == corev1.SeccompProfileTypeLocalhost; local != (p.LocalhostProfile != nil) {
		v.fail(templating.CodeInvalid, at.key("localhostProfile"),
			"is required for type Localhost and not allowed for other types")
	}
}

// maxSysctl is the longest name of a sysctl.
const maxSysctl = 253

var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func (v *validator) podSecurityContext(s *corev1.PodSecurityContext, at pointer) {
	if s == nil {
		return
	}
	v.id(at.key("runAsUser"), s.RunAsUser)
	v.id(at.key("runAsGroup"), s.RunAsGroup)
	v.id(at.key("fsGroup"), s.FSGroup)
	oneOfGiven(v, at.key("fsGroupChangePolicy"), s.FSGroupChangePolicy, corev1.FSGroupChangeAlways,
		corev1.FSGroupChangeOnRootMismatch)
	set := map[string]bool{}
	for i, sysctl := range s.Sysctls {
		place := at.key("sysctls").item(i).key("name")
		switch {
		case sysctl.Name == "":
			v.fail(templating.CodeRequired, place, "a sysctl needs a name")
		case len(sysctl.Name) > maxSysctl || !sysctlName.MatchString(sysctl.Name):
			v.fail(templating.CodeInvalid, place, "%.60q is not the name of a sysctl, such as net.core.somaxconn", sysctl.Name)
		case set[sysctl.Name]:
			v.fail(templating.CodeInvalid, place, "sysctl %q is set twice", sysctl.Name)
		}
		set[sysctl.Name] = true
	}
	for i := range s.SupplementalGroups {
		v.id(at.key("supplementalGroups").item(i), &s.SupplementalGroups[i])
	}
	oneOf(v, at.key("supplementalGroupsPolicy"), s.SupplementalGroupsPolicy, corev1.SupplementalGroupsPolicyMerge,
		corev1.SupplementalGroupsPolicyStrict)
	v.appArmor(s.AppArmorProfile, at.key("appArmorProfile"))
	v.seccomp(s.SeccompProfile, at.key("seccompProfile"))
}

// inside is true for a path that stays below where it begins.
func inside(p string) bool {
	return !path.IsAbs(p) && !slices.Contains(strings.Split(p, "/"), "..")
}
