package manifest

import (
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

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
		v.volumeSource(&volumes[i].VolumeSource, at.item(i), name)
	}
	return names
}

// volumeSource refuses a second source; a volume without one is an emptyDir to Kubernetes.
func (v *validator) volumeSource(s *corev1.VolumeSource, at pointer, name string) {
	var sources []string
	for value, i := reflect.ValueOf(*s), 0; i < value.NumField(); i++ {
		if !value.Field(i).IsNil() {
			key, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			sources = append(sources, key)
		}
	}
	if len(sources) > 1 {
		v.fail(templating.CodeInvalid, at, "volume %q has %s; only one source is allowed", name,
			strings.Join(sources, " and "))
	}
	if s.Secret != nil {
		v.required(at.key("secret").key("secretName"), s.Secret.SecretName,
			"a secret volume needs a secretName")
		v.items(s.Secret.Items, at.key("secret"))
		v.mode(s.Secret.DefaultMode, at.key("secret").key("defaultMode"))
	}
	if s.ConfigMap != nil {
		v.required(at.key("configMap").key("name"), s.ConfigMap.Name, "a configMap volume needs a name")
		v.items(s.ConfigMap.Items, at.key("configMap"))
		v.mode(s.ConfigMap.DefaultMode, at.key("configMap").key("defaultMode"))
	}
	if s.PersistentVolumeClaim != nil {
		v.required(at.key("persistentVolumeClaim").key("claimName"), s.PersistentVolumeClaim.ClaimName,
			"a persistentVolumeClaim volume needs a claimName")
	}
	if s.HostPath != nil {
		v.required(at.key("hostPath").key("path"), s.HostPath.Path, "a hostPath volume needs a path")
		oneOf(v, at.key("hostPath").key("type"), s.HostPath.Type, corev1.HostPathDirectoryOrCreate,
			corev1.HostPathDirectory, corev1.HostPathFileOrCreate, corev1.HostPathFile, corev1.HostPathSocket,
			corev1.HostPathCharDev, corev1.HostPathBlockDev)
	}
	if s.NFS != nil {
		v.required(at.key("nfs").key("server"), s.NFS.Server, "an nfs volume needs a server")
		v.required(at.key("nfs").key("path"), s.NFS.Path, "an nfs volume needs a path")
	}
	v.builtSource(s, at)
	if s.EmptyDir != nil && s.EmptyDir.SizeLimit != nil && s.EmptyDir.SizeLimit.Sign() < 0 {
		v.fail(templating.CodeInvalid, at.key("emptyDir").key("sizeLimit"), "must not be negative")
	}
}

func (v *validator) items(items []corev1.KeyToPath, at pointer) {
	for i, item := range items {
		place := at.key("items").item(i)
		v.required(place.key("key"), item.Key, "an item needs a key")
		v.required(place.key("path"), item.Path, "an item needs a path")
		if !inside(item.Path) {
			v.fail(templating.CodeInvalid, place.key("path"), "%q points outside the volume", item.Path)
		}
		v.mode(item.Mode, place.key("mode"))
	}
}

func (v *validator) mode(mode *int32, at pointer) {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		v.fail(templating.CodeInvalid, at, "must be between 0 and 0777 (511), not %d", *mode)
	}
}

func (v *validator) mounts(c *corev1.Container, at pointer, volumes map[string]bool) {
	paths := map[string]bool{}
	for i, mount := range c.VolumeMounts {
		place := at.key("volumeMounts").item(i)
		if !volumes[mount.Name] {
			v.fail(templating.CodeInvalid, place.key("name"), "unknown volume %q", mount.Name)
		}
		switch {
		case mount.MountPath == "":
			v.fail(templating.CodeRequired, place.key("mountPath"), "a mount needs a path")
		case paths[mount.MountPath]:
			v.fail(templating.CodeInvalid, place.key("mountPath"), "two volumes are mounted at %q",
				mount.MountPath)
		case strings.Contains(mount.MountPath, ":"):
			v.fail(templating.CodeInvalid, place.key("mountPath"), "%q must not contain a colon",
				mount.MountPath)
		}
		paths[mount.MountPath] = true
		oneOfGiven(v, place.key("mountPropagation"), mount.MountPropagation, corev1.MountPropagationNone,
			corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional)
		oneOf(v, place.key("recursiveReadOnly"), mount.RecursiveReadOnly, corev1.RecursiveReadOnlyDisabled,
			corev1.RecursiveReadOnlyIfPossible, corev1.RecursiveReadOnlyEnabled)
		if mount.SubPath != "" && mount.SubPathExpr != "" {
			v.fail(templating.CodeInvalid, place.key("subPathExpr"),
				"cannot be set together with subPath")
		}
		for key, sub := range map[string]string{"subPath": mount.SubPath, "subPathExpr": mount.SubPathExpr} {
			if !inside(sub) {
				v.fail(templating.CodeInvalid, place.key(key), "%q points outside the volume", sub)
			}
		}
	}
}
