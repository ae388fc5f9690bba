package manifest

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
)

// Sealed is what the manifest of an attempt refers to and does not show: the data of one Secret, made for the
// attempt alone, with the name of its Job.
type Sealed struct {
	Name string
	Data map[string]string
}

// maxSealed is what fits into a Secret.
const maxSealed = 1 << 20

// sealEnv moves the values of all environment variables into the Secret of the attempt. A kubelet expands
// $(NAME) in a value that stands in the manifest, and not in one from a Secret, so that is done here; a value
// that refers to what is only known in the cluster stays where it is.
func (b *builder) sealEnv() {
	sealed := b.finished.Secret
	if sealed == nil {
		sealed = &Sealed{Name: b.job.Name, Data: map[string]string{}}
	}
	pod := &b.job.Spec.Template.Spec
	place := manifestPointer.key("spec").key("template").key("spec")
	for i := range pod.InitContainers {
		b.sealContainer(sealed, pod.InitContainers[i].Env, len(pod.InitContainers[i].EnvFrom) > 0,
			place.key("initContainers").item(i))
	}
	for i := range pod.Containers {
		b.sealContainer(sealed, pod.Containers[i].Env, len(pod.Containers[i].EnvFrom) > 0,
			place.key("containers").item(i))
	}
	size := 0
	for key, value := range sealed.Data {
		size += len(key) + len(value)
	}
	if size > maxSealed {
		b.fail(templating.CodeInvalid, at(keyPolicy).key("env_as_secret"),
			"the environment has %d bytes; a Secret can hold %d", size, maxSealed)
	}
	if len(sealed.Data) > 0 {
		b.finished.Secret = sealed
	}
}

// sealContainer moves the values of one container. open is true where more variables come from elsewhere
// (envFrom).
func (b *builder) sealContainer(sealed *Sealed, env []corev1.EnvVar, open bool, place pointer) {
	known := map[string]*string{} // nil: it has a value that only the cluster knows
	for i := range env {
		v := &env[i]
		if v.ValueFrom != nil {
			known[v.Name] = nil
			continue
		}
		closed := true
		value := Expand(v.Value, func(name string) (string, bool) {
			text, ok := known[name]
			switch {
			case text != nil:
				return *text, true
			case ok || open:
				closed = false
			}
			return "", false
		})
		if !closed {
			known[v.Name] = nil
			b.warn(
				templating.CodeRisk,
				place.key("env").item(i),
				"the value of %s depends on a variable that only the cluster knows, so it stays in the manifest",
				strconv.Quote(v.Name),
			)
			continue
		}
		known[v.Name] = &value
		if value == "" {
			continue
		}
		key := sealed.keep(v.Name, value)
		v.Value = ""
		v.ValueFrom = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: sealed.Name}, Key: key,
		}}
	}
}

// keep puts a value under a key that is its name where that can be, and returns the key.
func (s *Sealed) keep(name, value string) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, name)
	base = strings.TrimLeft(base[:min(len(base), 200)], ".")
	if base == "" {
		base = "_"
	}
	key := base
	for n := 2; ; n++ {
		held, taken := s.Data[key]
		if !taken || held == value {
			s.Data[key] = value
			return key
		}
		key = base + "." + strconv.Itoa(n)
	}
}
