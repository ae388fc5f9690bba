package manifest

import (
	"context"
	"strings"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// written is what of a Job the template itself wrote, found in the Job that the same template makes with other
// values.
type written struct {
	references reference.Written
	namespace  string
	// keys are those of labels and annotations that the manifest has, by their place in the Job, and those of
	// job_configuration, by their place there.
	keys map[string]bool
	// origin knows the words of the template and of what people gave; given are those, once asked for.
	origin *templating.Origin
	given  []string
}

// offers is true for what the template itself writes. A tree without a template has been written by hand.
func (b *builder) offers(r reference.Reference) bool {
	return b.rendered == nil || b.ofTemplate().has(r)
}

func (w *written) has(r reference.Reference) bool {
	if w.references.Has(r) {
		return true
	}
	if w.origin == nil {
		return false
	}
	if w.given == nil {
		w.given = w.origin.Given()
	}
	return r.IsLiteral(w.origin.Text(), w.given)
}

// ofTemplate has no references where the template does not render with other values.
func (b *builder) ofTemplate() *written {
	if b.written == nil {
		b.written = &written{origin: b.rendered.Origin()}
		if b.written.origin != nil {
			if configuration, ok := b.written.origin.Substitute(context.Background()); ok {
				b.written.read(configuration)
			}
		}
	}
	return b.written
}

func (w *written) read(configuration map[string]any) {
	b := &builder{configuration: configuration, finished: &Finished{}}
	tree, ok := b.manifestTree()
	if !ok {
		return
	}
	job := b.reshape(tree)
	w.references = reference.NewWritten(job)
	w.keys = map[string]bool{}
	metadata, _ := job["metadata"].(map[string]any)
	spec, _ := job["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	ofPods, _ := template["metadata"].(map[string]any)
	w.readKeys(ofConfiguration, configuration)
	w.readKeys(ofJob, metadata)
	w.readKeys(ofPod, ofPods)
	w.namespace, _ = metadata["namespace"].(string)
	if w.namespace == "" {
		w.namespace = b.namespace()
	}
}

// The places of labels and annotations. Those of job_configuration go to both.
const (
	ofConfiguration = "/"
	ofJob           = "/metadata/"
	ofPod           = "/spec/template/metadata/"
)

// hasKey says whether the template wrote the key of a label or annotation that came from job_configuration, or
// from the manifest. What the manifest has at that key says nothing of a value that job_configuration sets.
func (w *written) hasKey(path []string, configured bool) bool {
	field, key := path[len(path)-2], path[len(path)-1]
	if configured {
		return w.keys[ofConfiguration+field+"/"+key]
	}
	return w.keys["/"+strings.Join(path[:len(path)-1], "/")+"/"+key]
}

func (w *written) readKeys(place string, metadata map[string]any) {
	for _, field := range []string{keyLabels, keyAnnotations} {
		values, _ := metadata[field].(map[string]any)
		for key := range values {
			w.keys[place+field+"/"+key] = true
		}
	}
}
