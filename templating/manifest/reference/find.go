package reference

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Find returns the references of a Job, given as a tree. Their order depends on the tree alone.
func Find(job map[string]any) []Reference {
	f := &finder{}
	spec, _ := job["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	if pod, ok := template["spec"].(map[string]any); ok {
		path := []string{"spec", "template", "spec"}
		f.object(pod, path)
		f.mounts(pod, path)
	}
	return f.found
}

type finder struct {
	found []Reference
	// byVolume are the references of each volume of the pod.
	byVolume map[string][]Reference
}

func (f *finder) add(kind Kind, name, key any, path []string, node any) {
	text, _ := name.(string)
	keyText, _ := key.(string)
	f.found = append(f.found, Reference{
		Kind: kind, Name: text, Key: keyText, Path: path, Node: node,
	})
}

func (f *finder) object(object map[string]any, path []string) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if v := object[key]; v != nil {
			f.field(key, v, under(path, key))
		}
	}
}

func (f *finder) value(v any, path []string) {
	switch v := v.(type) {
	case map[string]any:
		f.object(v, path)
	case []any:
		for i, item := range v {
			f.value(item, under(path, itemStep(path, i)))
		}
	}
}

// itemStep is the step to an item of a list: containers are told apart, so that a Secret that the template gives
// to one of them is not given to all.
func itemStep(path []string, i int) string {
	list := path[len(path)-1]
	if list != "containers" && list != "initContainers" && list != "ephemeralContainers" {
		return anyItem
	}
	return "[" + strconv.Itoa(i) + "]"
}

// field looks at one field. What it does not know as a reference is walked into.
func (f *finder) field(key string, v any, path []string) {
	object, isObject := v.(map[string]any)
	parent := path[len(path)-2]
	switch {
	case key == "volumes":
		f.volumes(v, path)
	case key == "imagePullSecrets", key == "resourceClaims":
		f.list(key, v, path)
	case key == "serviceAccountName" || key == "serviceAccount":
		f.add(ServiceAccount, v, nil, path, v)
	case key == "secretKeyRef" && isObject:
		f.add(Secret, object["name"], object["key"], path, v)
	case key == "configMapKeyRef" && isObject:
		f.add(ConfigMap, object["name"], object["key"], path, v)
	case key == "configMapRef" && isObject:
		f.add(ConfigMap, object["name"], nil, path, v)
	case isObject && strings.HasSuffix(strings.ToLower(key), "secretref"):
		f.add(Secret, object["name"], nil, path, v)
	case key == "secretName" && parent != "secret":
		f.add(Secret, v, nil, path, v)
	case key == "priorityClassName":
		f.add(PriorityClass, v, nil, path, v)
	case key == "nodeSelector" && isObject:
		f.nodeSelector(object, path)
	case key == "tolerations":
		f.tolerations(v, path)
	case key == "fieldRef", key == "resourceFieldRef", slices.Contains(fields[:], key):
		f.found = append(f.found, Reference{Kind: Field, Name: key, Path: path, Node: v})
	case isObject && key == "secret":
		f.items(Secret, cmp.Or(object["secretName"], object["name"]), object, path)
	case isObject && key == "configMap":
		f.items(ConfigMap, object["name"], object, path)
	case key == "persistentVolumeClaim" && isObject:
		f.add(Claim, object["claimName"], nil, path, v)
	case key == "host" && (parent == "httpGet" || parent == "tcpSocket"): // the node itself asks that host
		f.add(Field, key, nil, path, v)
	case key == "dataSource" || key == "dataSourceRef":
		f.dataSource(key, object, path, v)
	case key == "serviceAccountToken" || key == "podCertificate":
		f.add(Token, key, nil, path, v)
	default:
		f.value(v, path)
	}
}

// fields decide what a pod may do, and where it runs.
var fields = [...]string{
	"affinity", "automountServiceAccountToken", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostPort",
	"hostUsers", "mountPropagation", "nodeName", "nodeSelector", "priority", "procMount", "runtimeClassName", "schedulerName",
	"securityContext", "shareProcessNamespace", "volumeDevices",
}

// items are the keys of a Secret or a ConfigMap that a volume takes; without a list it takes all.
func (f *finder) items(kind Kind, name any, object map[string]any, path []string) {
	list, _ := object["items"].([]any)
	if len(list) == 0 {
		f.add(kind, name, nil, path, object)
	}
	for _, item := range list {
		entry, _ := item.(map[string]any)
		f.add(kind, name, entry["key"], path, object)
	}
}

// dataSource is what a new claim is filled from: another claim, or something whose kind only the template may
// choose.
func (f *finder) dataSource(key string, object map[string]any, path []string, node any) {
	if object["kind"] == string(Claim) {
		f.add(Claim, object["name"], nil, path, node)
		return
	}
	f.add(Field, key, nil, path, node)
}

func (f *finder) list(key string, v any, path []string) {
	items, _ := v.([]any)
	for _, item := range items {
		object, _ := item.(map[string]any)
		at := under(path, anyItem)
		if key == "imagePullSecrets" {
			f.add(Secret, object["name"], nil, at, item)
			continue
		}
		f.add(ResourceClaim, cmp.Or(object["resourceClaimName"], object["resourceClaimTemplateName"]), nil, at,
			item)
	}
}

// contained are the types of volumes whose content is the pod's own, or a reference that is found inside.
var contained = [...]string{
	"configMap", "downwardAPI", "emptyDir", "name", "persistentVolumeClaim", "projected", "secret",
}

func (f *finder) volumes(v any, path []string) {
	list, _ := v.([]any)
	f.byVolume = make(map[string][]Reference, len(list))
	for _, item := range list {
		volume, _ := item.(map[string]any)
		before := len(f.found)
		f.volume(volume, path)
		name, _ := volume["name"].(string)
		f.byVolume[name] = f.found[before:len(f.found):len(f.found)]
	}
}

func (f *finder) volume(volume map[string]any, path []string) {
	for _, kind := range slices.Sorted(maps.Keys(volume)) {
		at := under(under(path, anyItem), kind)
		if volume[kind] == nil {
			continue
		}
		if !slices.Contains(contained[:], kind) {
			f.add(Volume, kind, nil, at, volume[kind])
		}
		f.field(kind, volume[kind], at)
	}
}

// mounts adds what containers get through their mounts: a Secret that the template mounts into one of them is
// not given to all.
func (f *finder) mounts(pod map[string]any, path []string) {
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := pod[list].([]any)
		for i, item := range containers {
			container, _ := item.(map[string]any)
			mounts, _ := container["volumeMounts"].([]any)
			at := under(path, list)
			at = under(under(under(at, itemStep(at, i)), "volumeMounts"), anyItem)
			for _, mount := range mounts {
				object, _ := mount.(map[string]any)
				name, _ := object["name"].(string)
				f.mount(name, at)
			}
		}
	}
}

func (f *finder) mount(volume string, at []string) {
	for _, r := range f.byVolume[volume] {
		if r.Kind != Field {
			r.Path, r.volume = at, volume
			f.found = append(f.found, r)
		}
	}
}
