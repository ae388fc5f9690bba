package dryrun

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

const (
	// maxChanges bounds the changes of one object that are listed.
	maxChanges = 300
	// maxValue bounds a value that is shown, in bytes of JSON.
	maxValue = 4 << 10

	// hidden stands for the value of an environment variable that the sender has not written: a webhook may have put a
	// secret there.
	hidden = "(hidden)"
)

// Changes is what an API server made of an object.
type Changes struct {
	List []api.DocumentChange
	// Defaults counts fields that got a default of the Kubernetes API, which are not in List. LeftOut counts those for
	// which List has no room.
	Defaults, LeftOut int
}

// Compare lists what an API server changed in an object. What it gives every object is left out: UID, times, selector.
func Compare(sent, answered any) (Changes, error) {
	before, err := tree(sent)
	if err != nil {
		return Changes{}, err
	}
	after, err := tree(answered)
	if err != nil {
		return Changes{}, err
	}
	known := map[string]bool{}
	walkEnv(before, func(v map[string]any) { known[envKey(v)] = true })
	walkEnv(after, func(v map[string]any) {
		if v["value"] != nil && !known[envKey(v)] {
			v["value"] = hidden
		}
	})

	var c Changes
	for _, change := range templating.Diff(before, after) {
		switch {
		case isDefault(change):
			c.Defaults++
		case len(c.List) == maxChanges:
			c.LeftOut++
		default:
			shown, err := wire(change)
			if err != nil {
				return c, err
			}
			c.List = append(c.List, shown)
		}
	}
	return c, nil
}

// tree is the object as a document, without what a server sets in every object.
func tree(object any) (map[string]any, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode the object: %w", err)
	}
	decoded, err := templating.DecodeJSON(data)
	if err != nil {
		return nil, fmt.Errorf("decode the object: %w", err)
	}
	document, ok := decoded.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the object is no JSON object")
	}
	delete(document, "status")
	delete(document, "apiVersion") // clients leave them out of what they decode
	delete(document, "kind")
	clean(document)
	if spec, ok := document["spec"].(map[string]any); ok {
		delete(spec, "selector")
		if template, ok := spec["template"].(map[string]any); ok {
			clean(template)
		}
	}
	return document, nil
}

// clean removes what a server sets in the metadata of every object, and labels of the Job controller.
func clean(object map[string]any) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return
	}
	for _, key := range []string{
		"uid", "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "name", "generateName",
		"ownerReferences",
	} {
		delete(metadata, key)
	}
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		return
	}
	for key := range labels {
		if key == "controller-uid" || key == "job-name" || strings.HasPrefix(key, "batch.kubernetes.io/") {
			delete(labels, key)
		}
	}
}

// walkEnv visits the environment variables of all containers.
func walkEnv(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			items, ok := value.([]any)
			if key != "env" || !ok {
				walkEnv(value, visit)
				continue
			}
			for _, item := range items {
				if variable, ok := item.(map[string]any); ok {
					visit(variable)
				}
			}
		}
	case []any:
		for _, item := range v {
			walkEnv(item, visit)
		}
	}
}

func envKey(v map[string]any) string { return fmt.Sprintf("%v=%v", v["name"], v["value"]) }

func wire(change templating.Change) (api.DocumentChange, error) {
	shown := api.DocumentChange{Kind: api.DocumentChangeKind(change.Kind), Pointer: change.Pointer}
	var err error
	if change.Kind != templating.ChangeAdded {
		if shown.Before, err = bounded(change.Before); err != nil {
			return shown, err
		}
	}
	if change.Kind != templating.ChangeRemoved {
		shown.After, err = bounded(change.After)
	}
	return shown, err
}

func bounded(v any) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a change: %w", err)
	}
	if len(data) > maxValue {
		return json.Marshal(fmt.Sprintf("(%d bytes)", len(data)))
	}
	return data, nil
}
