package manifest

import (
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// dropExported removes what a cluster sets in a Job and what kubectl prints with it: a Job with the labels of
// another is refused, and one with its ownerReferences is deleted by the garbage collector. One warning says
// what was there.
func (b *builder) dropExported(job map[string]any) {
	e := exported{}
	e.drop(job, "status")
	if metadata, ok := cloneAt(job, "metadata"); ok {
		e.metadata(metadata)
	}
	spec, ok := cloneAt(job, "spec")
	if !ok {
		b.warnExported(e)
		return
	}
	if isGeneratedSelector(spec["selector"]) {
		e.drop(spec, "selector")
		if spec["manualSelector"] == false {
			delete(spec, "manualSelector")
		}
	}
	if template, ok := cloneAt(spec, "template"); ok {
		if metadata, ok := cloneAt(template, "metadata"); ok {
			e.metadata(metadata)
		}
	}
	if len(e.dropped) > 0 && spec["podReplacementPolicy"] == "TerminatingOrFailed" {
		delete(spec, "podReplacementPolicy") // the default of the cluster
	}
	b.warnExported(e)
}

func (b *builder) warnExported(e exported) {
	if len(e.dropped) == 0 {
		return
	}
	slices.Sort(e.dropped)
	b.warn(templating.CodeImport, manifestPointer, "the Job was exported from a cluster, which sets %s; the values in the "+
		"template are left out", strings.Join(slices.Compact(e.dropped), ", ")).
		Suggestion = "remove them from the template"
}

// exported collects what is dropped.
type exported struct{ dropped []string }

// drop removes a key and notes it, unless it holds nothing.
func (e *exported) drop(object map[string]any, key string) {
	v, ok := object[key]
	if !ok {
		return
	}
	delete(object, key)
	if empty, isObject := v.(map[string]any); v == nil || isObject && len(empty) == 0 {
		return
	}
	e.dropped = append(e.dropped, key)
}

func (e *exported) metadata(metadata map[string]any) {
	for _, key := range []string{
		"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
		"ownerReferences", "resourceVersion", "selfLink", "uid",
	} {
		e.drop(metadata, key)
	}
	for _, field := range []string{keyLabels, keyAnnotations} {
		values, ok := cloneAt(metadata, field)
		if !ok {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if isOfCluster(key) {
				e.drop(values, key)
			}
		}
	}
}

// isOfCluster is true for labels and annotations that the Job controller and kubectl set.
func isOfCluster(key string) bool {
	return key == "controller-uid" || key == "job-name" || strings.HasPrefix(key, "batch.kubernetes.io/") ||
		key == "kubectl.kubernetes.io/last-applied-configuration"
}

// isGeneratedSelector is true for a selector that the Job controller made.
func isGeneratedSelector(v any) bool {
	selector, _ := v.(map[string]any)
	labels, _ := selector["matchLabels"].(map[string]any)
	if len(labels) == 0 || len(selector) != 1 {
		return false
	}
	for key := range labels {
		if !isOfCluster(key) {
			return false
		}
	}
	return true
}
