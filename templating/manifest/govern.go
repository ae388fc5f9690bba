package manifest

import (
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// govern refuses references that a Job may not have: to what is protected, and any that a job variable
// brought in and the pool does not allow.
func (b *builder) govern() {
	if why := b.id.Protected.RefusesNamespace(b.job.Namespace); why != "" {
		b.fail(templating.CodeReference, at(keyNamespace), "%s", why)
	}
	for _, r := range reference.Find(b.tree) {
		if why := b.id.Protected.Refuses(r, b.job.Name); why != "" {
			keep(&b.problems, problem(templating.CodeReference, referencePlace(r), "%s", why))
			continue
		}
		if b.id.Allowed == nil || r.Empty() || b.id.Allowed.Allows(r) || b.offers(r) {
			continue
		}
		p := keep(&b.problems, problem(templating.CodeReference, referencePlace(r),
			"%s comes from a job variable, and work pool %q does not allow it", r, b.id.Pool))
		p.Suggestion = b.remedy(r)
	}
	b.governNamespace()
	b.governMetadata()
}

// governMetadata keeps job variables from giving orders to admission webhooks, which may inject Secrets and
// identities because of a label or annotation.
func (b *builder) governMetadata() {
	if b.id.Allowed == nil || b.rendered == nil {
		return
	}
	pod := &b.job.Spec.Template
	for _, metadata := range []struct {
		path   []string
		kind   reference.Kind
		values map[string]string
	}{
		{[]string{"metadata", keyAnnotations}, reference.Annotation, b.job.Annotations},
		{[]string{"metadata", keyLabels}, reference.Label, b.job.Labels},
		{[]string{"spec", "template", "metadata", keyAnnotations}, reference.Annotation, pod.Annotations},
		{[]string{"spec", "template", "metadata", keyLabels}, reference.Label, pod.Labels},
	} {
		for _, key := range slices.Sorted(maps.Keys(metadata.values)) {
			r := reference.Reference{Kind: metadata.kind, Name: key, Path: append(slices.Clone(metadata.path), key)}
			field, _ := b.configuration[metadata.path[len(metadata.path)-1]].(map[string]any)
			configured := field[key] != nil
			if !reference.HasDomain(key) || b.id.Allowed.Allows(r) || b.ofTemplate().hasKey(r.Path, configured) {
				continue
			}
			p := keep(&b.problems, problem(templating.CodeReference, referencePlace(r),
				"%s comes from a job variable, and work pool %q does not allow it", r, b.id.Pool))
			p.Suggestion = b.remedy(r)
		}
	}
}

// governNamespace keeps a job variable from choosing the namespace, and so the Secrets, of the Job. The
// worker's own namespace is always right.
func (b *builder) governNamespace() {
	name := b.job.Namespace
	r := reference.Reference{Kind: reference.Namespace, Name: name}
	if b.id.Allowed == nil || b.id.AnyNamespace || name == b.id.Namespace || b.id.Allowed.Allows(r) ||
		slices.Contains(b.id.WorkerNamespaces, name) || b.rendered == nil || b.ofTemplate().namespace == name {
		return
	}
	p := b.fail(templating.CodeReference, at(keyNamespace),
		"namespace %q comes from a job variable, and work pool %q does not allow it", name, b.id.Pool)
	p.Suggestion = b.remedy(r)
}

// referencePlace is the JSON pointer of a reference in the template.
func referencePlace(r reference.Reference) string { return r.Pointer(manifestPointer.String()) }

// remedy says how the reference can be made right.
func (b *builder) remedy(r reference.Reference) string {
	flag := r.Kind.Flag()
	if flag == "" {
		return "write " + r.String() + " in the template, with a variable for the values in it"
	}
	return "write it in the template, or allow it: berth pool update " + b.id.Pool + " " + flag + " " + r.Entry()
}

// CheckProtected returns why a Job must not be created: one sentence for each protected object that it refers
// to. It is for whoever is about to create the Job, whatever it was made from.
func CheckProtected(job *batchv1.Job, protected reference.Protected) ([]string, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		return nil, err
	}
	refused := protected.Check(tree, job.Name)
	if why := protected.RefusesNamespace(job.Namespace); why != "" {
		refused = append(refused, why)
	}
	return refused, nil
}
