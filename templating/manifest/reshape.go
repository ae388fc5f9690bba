package manifest

import (
	"maps"
	"slices"

	"github.com/berth-dev/berth/templating"
)

// reshape brings a tree into the form that Kubernetes knows: env as a list, args as a list, parallelism and
// completions where they belong. The tree itself is not changed; the maps on the way are copied.
func (b *builder) reshape(tree map[string]any) map[string]any {
	b.checkKind(tree)
	job := maps.Clone(tree)
	b.dropExported(job)
	spec, ok := cloneAt(job, "spec")
	if !ok {
		return job
	}
	template, ok := cloneAt(spec, "template")
	if !ok {
		return job
	}
	pod, ok := cloneAt(template, "spec")
	if !ok {
		return job
	}
	b.moveMisplaced(spec, pod)
	for _, key := range []string{"initContainers", "containers"} {
		list, ok := pod[key].([]any)
		if !ok {
			continue
		}
		list = slices.Clone(list)
		for i, item := range list {
			if container, ok := item.(map[string]any); ok {
				place := manifestPointer.key("spec").key("template").key("spec").key(key).item(i)
				list[i] = b.reshapeContainer(maps.Clone(container), place, key == "containers" && i == 0)
			}
		}
		pod[key] = list
	}
	return job
}

func (b *builder) checkKind(tree map[string]any) {
	if v, ok := tree["apiVersion"]; ok && v != nil && v != "batch/v1" {
		b.fail(templating.CodeInvalid, manifestPointer.key("apiVersion"),
			`must be "batch/v1": Berth creates Jobs`)
	}
	if v, ok := tree["kind"]; ok && v != nil && v != "Job" {
		b.fail(templating.CodeInvalid, manifestPointer.key("kind"), `must be "Job": Berth creates Jobs`)
	}
}

// cloneAt replaces the object at a key by a copy and returns it.
func cloneAt(parent map[string]any, key string) (map[string]any, bool) {
	child, ok := parent[key].(map[string]any)
	if !ok {
		return nil, false
	}
	child = maps.Clone(child)
	parent[key] = child
	return child, true
}

// moveMisplaced moves parallelism and completions from the pod's spec, where well-known templates have them,
// to the Job's.
func (b *builder) moveMisplaced(spec, pod map[string]any) {
	for _, key := range []string{"completions", "parallelism"} {
		v, ok := pod[key]
		if !ok {
			continue
		}
		delete(pod, key)
		if _, there := spec[key]; !there {
			spec[key] = v
		}
		b.warn(templating.CodeImport, manifestPointer.key("spec").key("template").key("spec").key(key), "%s is a field of the Job, not of its pod", key).
			Suggestion = "move it to job_manifest.spec." + key
	}
}

func (b *builder) reshapeContainer(container map[string]any, place pointer, isJob bool) map[string]any {
	if isJob {
		b.addCommand(container)
	}
	for _, key := range []string{"args", "command"} {
		text, ok := container[key].(string)
		if !ok {
			continue
		}
		words, err := splitWords(text)
		if err != nil {
			b.fail(templating.CodeInvalid, place.key(key), "invalid command line: %v", err)
			delete(container, key)
			continue
		}
		container[key] = words
	}
	b.reshapeEnv(container, place, isJob)
	return container
}

// addCommand gives the job container the command of job_configuration, where the manifest does not refer to
// it itself.
func (b *builder) addCommand(container map[string]any) {
	if command, ok := b.configuration[keyCommand]; ok && command != nil && container["args"] == nil {
		container["args"] = command
	}
}

// warnOfRepeated says where a list sets a variable again: only its last entry is kept.
func (b *builder) warnOfRepeated(env any, place pointer) {
	entries, _ := env.([]any)
	seen := map[string]bool{}
	for i, item := range entries {
		entry, _ := item.(map[string]any)
		name, isText := entry["name"].(string)
		if isText && seen[name] {
			b.warn(templating.CodeInvalid, place.item(i), "environment variable %s is set again; only the last entry counts", name)
		}
		seen[name] = isText
	}
}

// reshapeEnv writes env as a list. The env of job_configuration reaches the job container also where its
// manifest does not refer to it, and wins by name over what the manifest itself says, whose entries keep their
// places. What a level unsets is gone from the manifest's entries as well.
func (b *builder) reshapeEnv(container map[string]any, place pointer, isJob bool) {
	b.warnOfRepeated(container["env"], place.key("env"))
	levels := []any{container["env"]}
	places := []pointer{place.key("env")}
	if isJob && b.configuration[keyEnv] != nil {
		levels = append(levels, b.configuration[keyEnv])
		places = append(places, at(keyEnv))
	}
	if isJob && b.rendered != nil && len(b.rendered.EnvUnset) > 0 {
		unset := map[string]any{}
		for _, name := range b.rendered.EnvUnset {
			unset[name] = nil
		}
		levels = append(levels, unset)
		places = append(places, at(keyEnv))
	}
	list, problems := templating.MergeEnv(levels, func(level int) string { return places[level].String() })
	b.problems = append(b.problems, problems...)
	if list != nil && len(problems) == 0 {
		container["env"] = list
	} else if len(problems) > 0 {
		delete(container, "env")
	}
}
