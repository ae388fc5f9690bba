package manifest

import (
	"slices"
	"strconv"
	"time"

	"github.com/berth-dev/berth/templating"
)

// The keys of job_configuration.
const (
	keyCommand       = "command"
	keyEnv           = "env"
	keyLabels        = "labels"
	keyAnnotations   = "annotations"
	keyName          = "name"
	keyNamespace     = "namespace"
	keyManifest      = "job_manifest"
	keyClusterConfig = "cluster_config"
	keyJobWatch      = "job_watch_timeout_seconds"
	keyPodWatch      = "pod_watch_timeout_seconds"
	keyStreamOutput  = "stream_output"
	keyPolicy        = "policy"
)

// importedPodWatch is the default that base job templates from elsewhere carry for pod_watch_timeout_seconds.
// It is no deadline anybody chose, and it would kill pods that wait for a new node.
const importedPodWatch = 60

// ConfigurationKeys lists the keys of job_configuration that have an effect.
func ConfigurationKeys() []string {
	return []string{
		keyAnnotations, keyClusterConfig, keyCommand, keyEnv, keyManifest, keyJobWatch, keyLabels, keyName, keyNamespace, keyPodWatch, keyPolicy, keyStreamOutput,
	}
}

// readConfiguration reads what job_configuration says beside the manifest.
func (b *builder) readConfiguration() {
	b.name = b.text(keyName)
	b.text(keyNamespace)
	b.finished.Timeout = b.seconds(keyJobWatch)
	b.finished.StartDeadline = b.startDeadline()
	if v, ok := b.configuration[keyStreamOutput]; ok && v != nil {
		stream, isBool := v.(bool)
		if !isBool {
			b.fail(templating.CodeType, at(keyStreamOutput), "must be a boolean, not %s", describe(v))
		}
		b.finished.StreamOutput = stream
	}
	b.readClusterConfig()
	b.readPolicy()
	known := ConfigurationKeys()
	var others []string
	for key := range b.configuration {
		if !slices.Contains(known, key) {
			others = append(others, key)
		}
	}
	slices.Sort(others)
	for _, key := range others[:min(len(others), maxProblems)] {
		p := b.warn(templating.CodeUnknownField, at(key), "key %q has no effect in job_configuration", key)
		if near := templating.Nearest(key, known); near != "" {
			p.Suggestion = "did you mean " + strconv.Quote(near) + "?"
		}
	}
}

// text reads a string that may be absent or null.
func (b *builder) text(key string) string {
	v, ok := b.configuration[key]
	if !ok || v == nil {
		return ""
	}
	text, isText := v.(string)
	if !isText {
		b.fail(templating.CodeType, at(key), "must be a string, not %s", describe(v))
	}
	return text
}

func (b *builder) namespace() string {
	namespace, _ := b.configuration[keyNamespace].(string) // another type has been reported
	return namespace
}

// maxSeconds is what fits into a duration.
const maxSeconds = int64(1<<63-1) / int64(time.Second)

func (b *builder) seconds(key string) *time.Duration {
	v, ok := b.configuration[key]
	if !ok || v == nil {
		return nil
	}
	seconds, isInt := v.(int64)
	if !isInt {
		b.fail(templating.CodeType, at(key), "must be an integer number of seconds, not %s", describe(v))
		return nil
	}
	if seconds == 0 {
		b.warn(templating.CodeImport, at(key), "0 is no limit").Suggestion = "remove it, or write the seconds that are allowed"
		return nil
	}
	if seconds < 1 || seconds > maxSeconds {
		b.fail(templating.CodeInvalid, at(key), "must be at least 1 second, not %d", seconds)
		return nil
	}
	d := time.Duration(seconds) * time.Second
	return &d
}

// startDeadline is pod_watch_timeout_seconds, when someone set it.
func (b *builder) startDeadline() *time.Duration {
	if b.configuration[keyPodWatch] == int64(importedPodWatch) && b.defaulted[keyPodWatch] {
		b.warn(templating.CodeImport, at(keyPodWatch), "the imported default of %d seconds is ignored: as a deadline it would end pods that wait for a new node", importedPodWatch).
			Suggestion = "set " + keyPodWatch + " to the longest time that a pod may take to start"
		return nil
	}
	return b.seconds(keyPodWatch)
}

// readClusterConfig takes a reference to a Secret. A kubeconfig in the template would be readable by
// every user who can read the pool.
func (b *builder) readClusterConfig() {
	v, ok := b.configuration[keyClusterConfig]
	if !ok || v == nil {
		return
	}
	object, _ := v.(map[string]any)
	reference, ok := object["secretKeyRef"].(map[string]any)
	if !ok || len(object) != 1 {
		b.fail(templating.CodeImport, at(keyClusterConfig), "an inline cluster_config is not allowed: everyone who can see the template could read its credentials").
			Suggestion = "store the kubeconfig in a Secret and write cluster_config: {secretKeyRef: {name: SECRET, key: KEY}}"
		return
	}
	name, _ := reference["name"].(string)
	key, _ := reference["key"].(string)
	if name == "" || key == "" || len(reference) != 2 {
		b.fail(templating.CodeRequired, at(keyClusterConfig).key("secretKeyRef"),
			"must have exactly a name and a key, both strings")
		return
	}
	b.finished.ClusterConfig = &SecretReference{Name: name, Key: key}
}

func (b *builder) manifestTree() (map[string]any, bool) {
	switch tree := b.configuration[keyManifest].(type) {
	case map[string]any:
		return tree, true
	case nil:
		b.fail(templating.CodeRequired, manifestPointer, "job_manifest is missing")
	default:
		b.fail(templating.CodeType, manifestPointer, "job_manifest must be an object, not %s", describe(tree))
	}
	return nil, false
}
