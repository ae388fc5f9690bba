package manifest

import (
	"strconv"
	"strings"
	"sync"

	"github.com/berth-dev/berth/templating"
)

// places are the parts of a Job in which people look for a field, the likeliest first.
var places = sync.OnceValue(func() []fieldPlace {
	job := jobShape()
	spec := job.fields["spec"].shape
	template := spec.fields["template"].shape
	pod := template.fields["spec"].shape
	container := pod.fields["containers"].shape.elem
	return []fieldPlace{
		{"spec.template.spec.containers[]", container}, {"spec.template.spec", pod}, {"spec", spec},
		{"spec.template.spec.containers[].resources", container.fields["resources"].shape},
		{"spec.template.spec.containers[].securityContext", container.fields["securityContext"].shape.elem},
		{"metadata", job.fields["metadata"].shape},
	}
})

type fieldPlace struct {
	path  string
	shape *shape
}

// meant says what an unknown field of a part of a Job likely means: a field of this part by a similar name, or
// one of another part.
func meant(key string, of *shape) string {
	if of.isOfJob() {
		for _, place := range places() {
			if _, ok := place.shape.fields[key]; ok && place.shape != of {
				return "it belongs to " + place.path
			}
		}
	}
	if name := fullName(key, of.names); name != "" {
		return "write " + name
	}
	if near := templating.Nearest(key, of.names); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return ""
}

// isOfJob is false for types that stand elsewhere, in which a field of a pod was hardly meant.
func (s *shape) isOfJob() bool {
	for _, place := range places() {
		if place.shape == s {
			return true
		}
	}
	job := jobShape()
	template := job.fields["spec"].shape.fields["template"].shape
	return s == job || s == template
}

// fullName is the field that another spelling of name means: `name` of a Secret's volume is secretName, but
// `configMapName` of a ConfigMap's is name.
func fullName(key string, names []string) string {
	if key == "" {
		return ""
	}
	found := ""
	suffix := strings.ToUpper(key[:1]) + key[1:]
	for _, name := range names {
		if strings.HasSuffix(name, suffix) || name == "name" && strings.HasSuffix(key, "Name") {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}
