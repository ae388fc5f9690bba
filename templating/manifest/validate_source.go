package manifest

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// builtSource checks the sources of volumes that are made for the pod.
func (v *validator) builtSource(s *corev1.VolumeSource, at pointer) {
	if s.Projected != nil {
		v.projected(s.Projected, at.key("projected"))
	}
	if s.DownwardAPI != nil {
		v.downward(s.DownwardAPI.Items, at.key("downwardAPI"))
		v.mode(s.DownwardAPI.DefaultMode, at.key("downwardAPI").key("defaultMode"))
	}
	if s.Ephemeral != nil {
		v.ephemeral(s.Ephemeral, at.key("ephemeral").key("volumeClaimTemplate"))
	}
	if s.CSI != nil {
		v.required(at.key("csi").key("driver"), s.CSI.Driver, "a csi volume needs a driver")
		v.name(at.key("csi").key("driver"), strings.ToLower(s.CSI.Driver), validation.IsDNS1123Subdomain)
	}
	if s.EmptyDir != nil {
		if medium := string(s.EmptyDir.Medium); medium != "" && medium != "Memory" &&
			!strings.HasPrefix(medium, "HugePages") {
			v.fail(templating.CodeInvalid, at.key("emptyDir").key("medium"),
				"must be Memory, HugePages or HugePages-SIZE, not %q", medium)
		}
	}
	if s.HostPath != nil && slices.Contains(strings.Split(s.HostPath.Path, "/"), "..") {
		v.fail(templating.CodeInvalid, at.key("hostPath").key("path"), "must not contain ..")
	}
	if s.NFS != nil && s.NFS.Path != "" && !path.IsAbs(s.NFS.Path) {
		v.fail(templating.CodeInvalid, at.key("nfs").key("path"), "must be an absolute path")
	}
}

// minTokenSeconds is the shortest life of a token that a volume holds.
const minTokenSeconds = 600

func (v *validator) projected(s *corev1.ProjectedVolumeSource, at pointer) {
	v.mode(s.DefaultMode, at.key("defaultMode"))
	for i := range s.Sources {
		source, place := &s.Sources[i], at.key("sources").item(i)
		v.exactlyOne(place, "a source", map[string]bool{
			"secret": source.Secret != nil, "configMap": source.ConfigMap != nil, "downwardAPI": source.DownwardAPI != nil,
			"serviceAccountToken": source.ServiceAccountToken != nil, "clusterTrustBundle": source.ClusterTrustBundle != nil,
			"podCertificate": source.PodCertificate != nil,
		})
		if source.Secret != nil {
			v.required(place.key("secret").key("name"), source.Secret.Name, "a secret source needs a name")
			v.items(source.Secret.Items, place.key("secret"))
		}
		if source.ConfigMap != nil {
			v.required(place.key("configMap").key("name"), source.ConfigMap.Name, "a configMap source needs a name")
			v.items(source.ConfigMap.Items, place.key("configMap"))
		}
		if source.DownwardAPI != nil {
			v.downward(source.DownwardAPI.Items, place.key("downwardAPI"))
		}
		if token := source.ServiceAccountToken; token != nil {
			v.required(place.key("serviceAccountToken").key("path"), token.Path, "a token needs a path")
			v.atLeast(place.key("serviceAccountToken").key("expirationSeconds"), token.ExpirationSeconds, minTokenSeconds)
		}
	}
}

func (v *validator) downward(items []corev1.DownwardAPIVolumeFile, at pointer) {
	for i := range items {
		item, place := &items[i], at.key("items").item(i)
		v.required(place.key("path"), item.Path, "an item needs a path")
		if !inside(item.Path) {
			v.fail(templating.CodeInvalid, place.key("path"), "%q points outside the volume", item.Path)
		}
		v.exactlyOne(place, "an item", map[string]bool{
			"fieldRef": item.FieldRef != nil, "resourceFieldRef": item.ResourceFieldRef != nil,
		})
		if item.FieldRef != nil {
			v.fieldPath(place.key("fieldRef").key("fieldPath"), item.FieldRef.FieldPath, volumeFields)
		}
		if of := item.ResourceFieldRef; of != nil {
			v.required(place.key("resourceFieldRef").key("containerName"), of.ContainerName,
				"a resource of a volume needs a containerName")
			v.resourceField(place.key("resourceFieldRef").key("resource"), of.Resource)
		}
		v.mode(item.Mode, place.key("mode"))
	}
}

func (v *validator) ephemeral(s *corev1.EphemeralVolumeSource, at pointer) {
	if s.VolumeClaimTemplate == nil {
		v.fail(templating.CodeRequired, at, "an ephemeral volume needs a volumeClaimTemplate")
		return
	}
	spec := &s.VolumeClaimTemplate.Spec
	if len(spec.AccessModes) == 0 {
		v.fail(templating.CodeRequired, at.key("spec").key("accessModes"),
			"a claim needs at least one access mode, such as ReadWriteOnce")
	}
	for i := range spec.AccessModes {
		oneOf(v, at.key("spec").key("accessModes").item(i), &spec.AccessModes[i], corev1.ReadWriteOnce,
			corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod)
	}
	if storage, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok || storage.Sign() <= 0 {
		v.fail(templating.CodeRequired, at.key("spec").key("resources").key("requests").key("storage"),
			"a claim needs a request for storage, such as 1Gi")
	}
}
