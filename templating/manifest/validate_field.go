package manifest

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
)

// The fields of a pod that its containers can read: in an environment, and in a downwardAPI volume.
var (
	envFields = []string{
		"metadata.annotations['KEY']", "metadata.labels['KEY']", "metadata.name", "metadata.namespace", "metadata.uid",
		"spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	volumeFields = []string{
		"metadata.annotations", "metadata.annotations['KEY']", "metadata.labels", "metadata.labels['KEY']",
		"metadata.name", "metadata.namespace", "metadata.uid",
	}
)

// oneKey matches the field of one label or annotation.
var oneKey = regexp.MustCompile(`^(metadata\.(?:labels|annotations))\['([^']*)'\]$`)

// fieldPath checks a field that a container reads.
func (v *validator) fieldPath(at pointer, path string, known []string) {
	if match := oneKey.FindStringSubmatch(path); match != nil {
		v.name(at, strings.ToLower(match[2]), validation.IsQualifiedName)
		path = match[1] + "['KEY']"
	}
	if path == "" || slices.Contains(known, path) {
		return
	}
	v.fail(templating.CodeInvalid, at, "%q is no field that a container can read; the fields are %s", path,
		strings.Join(known, ", "))
}

// resourceField checks a resource of a container that is read, and the unit in which it is.
func (v *validator) resourceField(at pointer, ref *corev1.ResourceFieldSelector) {
	name := ref.Resource
	kind, of, _ := strings.Cut(name, ".")
	isKnown := of == "cpu" || of == "memory" || of == "ephemeral-storage" ||
		strings.HasPrefix(of, corev1.ResourceHugePagesPrefix)
	if name != "" && (kind != "limits" && kind != "requests" || !isKnown) {
		v.fail(templating.CodeInvalid, at,
			"%q is no resource that a container can read; write limits.cpu, requests.memory or the like", name)
		return
	}
	v.divisor(at, of, ref.Divisor)
}

// divisors are the units of resources other than cpu.
var divisors = []string{
	"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
}

func (v *validator) divisor(at pointer, of string, divisor resource.Quantity) {
	allowed := divisors
	if of == "cpu" {
		allowed = []string{"1m", "1"}
	}
	if !divisor.IsZero() && !slices.Contains(allowed, divisor.String()) {
		v.fail(templating.CodeInvalid, at, "the divisor of %s must be one of %s, not %s", of, strings.Join(allowed, ", "),
			divisor.String())
	}
}

// quantity checks the amount of one resource.
func (v *validator) quantity(at pointer, name corev1.ResourceName, amount resource.Quantity) {
	switch domain, _, hasDomain := strings.Cut(string(name), "/"); {
	case strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
		size, err := ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
		if err != nil || size.Value() <= 0 || amount.Value()%size.Value() != 0 {
			v.fail(templating.CodeInvalid, at, "must be a multiple of the page size")
		}
	case hasDomain && !strings.HasSuffix(domain, "kubernetes.io") && amount.MilliValue()%1000 != 0:
		v.fail(templating.CodeInvalid, at, "%s is handed out whole: must be an integer, not %s", name, amount.String())
	case !hasDomain && name != corev1.ResourceCPU && name != corev1.ResourceMemory &&
		name != corev1.ResourceEphemeralStorage:
		v.fail(templating.CodeInvalid, at,
			"%q is no resource of a container; resources are cpu, memory, ephemeral-storage, hugepages-SIZE and names "+
				"with a domain, such as nvidia.com/gpu", name)
	}
}

// claims checks that containers refer to claims of their pod only.
func (v *validator) claims(pod *corev1.PodSpec, at pointer) {
	names := map[string]bool{}
	for i, claim := range pod.ResourceClaims {
		place := at.key("resourceClaims").item(i)
		v.required(place.key("name"), claim.Name, "a resource claim needs a name")
		v.name(place.key("name"), claim.Name, validation.IsDNS1123Label)
		v.exactlyOne(place, "a resource claim", map[string]bool{
			"resourceClaimName": claim.ResourceClaimName != nil, "resourceClaimTemplateName": claim.ResourceClaimTemplateName != nil,
		})
		v.nameGiven(place.key("resourceClaimName"), claim.ResourceClaimName, validation.IsDNS1123Subdomain)
		v.nameGiven(place.key("resourceClaimTemplateName"), claim.ResourceClaimTemplateName, validation.IsDNS1123Subdomain)
		if names[claim.Name] {
			v.fail(templating.CodeInvalid, place.key("name"), "two resource claims are named %q", claim.Name)
		}
		names[claim.Name] = true
	}
	for key, containers := range map[string][]corev1.Container{"initContainers": pod.InitContainers, "containers": pod.Containers} {
		for i := range containers {
			used := map[corev1.ResourceClaim]bool{}
			for j, claim := range containers[i].Resources.Claims {
				place := at.key(key).item(i).key("resources").key("claims").item(j)
				v.name(place.key("request"), claim.Request, validation.IsDNS1123Label)
				if used[claim] {
					v.fail(templating.CodeInvalid, place, "duplicate claim %q", claim.Name)
				}
				used[claim] = true
				if !names[claim.Name] {
					v.fail(templating.CodeInvalid,
						at.key(key).item(i).key("resources").key("claims").item(j).key("name"),
						"the pod has no resource claim %q", claim.Name)
				}
			}
		}
	}
}

// What a resolver takes.
const (
	maxNameservers = 3
	maxSearches    = 32
)

func (v *validator) dnsConfig(c *corev1.PodDNSConfig, at pointer) {
	if c == nil {
		return
	}
	if len(c.Nameservers) > maxNameservers {
		v.fail(templating.CodeInvalid, at.key("nameservers"), "has %d nameservers; the limit is %d",
			len(c.Nameservers), maxNameservers)
	}
	for i, server := range c.Nameservers {
		v.address(at.key("nameservers").item(i), server)
	}
	if len(c.Searches) > maxSearches {
		v.fail(templating.CodeInvalid, at.key("searches"), "has %d domains; the limit is %d", len(c.Searches),
			maxSearches)
	}
	for i, search := range c.Searches {
		v.required(at.key("searches").item(i), search, "a search domain must not be empty")
		v.name(at.key("searches").item(i), strings.TrimSuffix(search, "."), validation.IsDNS1123SubdomainWithUnderscore)
	}
	for i, option := range c.Options {
		v.required(at.key("options").item(i).key("name"), option.Name, "an option needs a name")
	}
}
