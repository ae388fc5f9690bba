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
	if s.ISCSI != nil {
		place := at.key("iscsi")
		v.required(place.key("targetPortal"), s.ISCSI.TargetPortal, "an iscsi volume needs a targetPortal")
		v.required(place.key("iqn"), s.ISCSI.IQN, "an iscsi volume needs an iqn")
		if iqn := s.ISCSI.IQN; iqn != "" && !strings.HasPrefix(iqn, "iqn") && !strings.HasPrefix(iqn, "eui") &&
			!strings.HasPrefix(iqn, "naa") {
			v.fail(templating.CodeInvalid, place.key("iqn"), "%.60q must begin with iqn, eui or naa", iqn)
		}
		if s.ISCSI.Lun < 0 || s.ISCSI.Lun > 255 {
			v.fail(templating.CodeInvalid, place.key("lun"), "must be between 0 and 255, not %d", s.ISCSI.Lun)
		}
	}
	if s.NFS != nil && s.NFS.Path != "" && !path.IsAbs(s.NFS.Path) {
		v.fail(templating.CodeInvalid, at.key("nfs").key("path"), "must be an absolute path")
	}
}

// minTokenSeconds is the shortest life of a token that a volume holds.
const minTokenSeconds = 600

func (v *validator) projected(s *corev1.ProjectedVolumeSource, at pointer) {
	v.mode(s.DefaultMode, at.key("defaultMode"))
	v.paths(s, at)
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
			expires := place.key("serviceAccountToken").key("expirationSeconds")
			v.atLeast(expires, token.ExpirationSeconds, minTokenSeconds)
			if s := token.ExpirationSeconds; s != nil && *s > 1<<32 {
				v.fail(templating.CodeInvalid, expires, "must be at most %d, not %d", int64(1)<<32, *s)
			}
		}
	}
}

// paths refuses a path that two items of a projected volume have.
func (v *validator) paths(s *corev1.ProjectedVolumeSource, at pointer) {
	taken := map[string]bool{}
	take := func(place pointer, path string) {
		if path != "" && taken[path] {
			v.fail(templating.CodeInvalid, place.key("path"), "two items have the path %q", path)
		}
		taken[path] = true
	}
	for i := range s.Sources {
		source, place := &s.Sources[i], at.key("sources").item(i)
		if source.Secret != nil {
			for j, item := range source.Secret.Items {
				take(place.key("secret").key("items").item(j), item.Path)
			}
		}
		if source.ConfigMap != nil {
			for j, item := range source.ConfigMap.Items {
				take(place.key("configMap").key("items").item(j), item.Path)
			}
		}
		if source.DownwardAPI != nil {
			for j, item := range source.DownwardAPI.Items {
				take(place.key("downwardAPI").key("items").item(j), item.Path)
			}
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
			v.required(place.key("fieldRef").key("fieldPath"), item.FieldRef.FieldPath, "a fieldRef needs a fieldPath")
			v.fieldPath(place.key("fieldRef").key("fieldPath"), item.FieldRef.FieldPath, volumeFields)
		}
		if of := item.ResourceFieldRef; of != nil {
			v.required(place.key("resourceFieldRef").key("containerName"), of.ContainerName,
				"a resource of a volume needs a containerName")
			v.resourceField(place.key("resourceFieldRef").key("resource"), of)
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
		oneOfGiven(v, at.key("spec").key("accessModes").item(i), &spec.AccessModes[i], corev1.ReadWriteOnce,
			corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod)
	}
	if class := spec.StorageClassName; class != nil { // empty is no class
		v.name(at.key("spec").key("storageClassName"), *class, validation.IsDNS1123Subdomain)
	}
	if storage, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok || storage.Sign() <= 0 {
		v.fail(templating.CodeRequired, at.key("spec").key("resources").key("requests").key("storage"),
			"a claim needs a request for storage, such as 1Gi")
	}
}
