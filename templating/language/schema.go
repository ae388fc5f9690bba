package language

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/berth-dev/berth/templating/manifest/jobtype"
)

// object is a JSON object of a schema.
type object = map[string]any

// draft is the version of JSON Schema. Editors know draft 7 best.
const draft = "http://json-schema.org/draft-07/schema#"

// Schema returns the JSON Schema of the file of a base job template. It is always the same, and must not be changed.
//
// It is for editors: what it accepts may still be refused, since only rendering shows what becomes of a template. Each
// value of a Job may be a text with a placeholder.
var Schema = sync.OnceValues(func() ([]byte, error) {
	content, err := json.MarshalIndent(schema(), "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of templates: %w", err)
	}
	return append(content, '\n'), nil
})

// keyDocs are the keys of a template that Kubernetes does not know, with their documentation.
func keyDocs() [][2]string {
	return [][2]string{
		{"engine", "Name of the template engine; default gotemplate."},
		{"variables", "JSON Schema of the job variables, which deployments and runs may set."},
		{"frozen", "Values of variables that deployments and runs cannot override."},
		{"template_env", "Names of environment variables of the worker that placeholders may read, as $NAME. The worker must be started with --template-env NAME."},
		{"job_configuration", "The Job with placeholders, and settings for it."},
		{"job_configuration.annotations", "Annotations of the Job."},
		{"job_configuration.cluster_config", "The cluster to run in, as a kubeconfig in a Secret: {secretKeyRef: {name, key}}."},
		{"job_configuration.command", "Arguments of the job container, as a list or a line."},
		{"job_configuration.env", "Environment of the job container, a mapping or a list; merged key by key over all levels."},
		{"job_configuration.job_manifest", "The Kubernetes Job, or its text with template actions."},
		{"job_configuration.job_watch_timeout_seconds", "Timeout of the run in seconds; 0 is no limit."},
		{"job_configuration.labels", "Labels of the Job and its pods."},
		{"job_configuration.name", "Beginning of the name of the Job."},
		{"job_configuration.namespace", "Namespace of the Job; default that of the worker."},
		{"job_configuration.pod_watch_timeout_seconds", "Seconds that an attempt may take from its claim until its Job exists."},
		{"job_configuration.policy", "How the worker handles evictions, lost nodes and waiting pods."},
		{"job_configuration.policy.env_as_secret", "Keep the values of environment variables in a Secret instead of the manifest; default false."},
		{"job_configuration.policy.eviction", "Whether a new attempt starts (reschedule, the default) or the run ends (fail) when its pod is evicted."},
		{"job_configuration.policy.logs", "Whose output is kept: that of the job container (first, the default) or of all containers (all)."},
		{"job_configuration.policy.node_lost", "Whether to wait for a node that does not respond (wait, the default), or to remove its pod (force)."},
		{"job_configuration.policy.node_lost_after_seconds", "With node_lost: force, seconds after the grace period before the pod is removed; default 600."},
		{"job_configuration.policy.pod_deleted", "Whether the run ends when a user deletes its pod (fail, the default), or a new attempt starts (reschedule)."},
		{"job_configuration.policy.restarts", "Who starts a failed container again with restartPolicy OnFailure: berth (default) or kubelet."},
		{"job_configuration.policy.trust_exit_zero", "Whether a pod that exits with 0 when it is evicted or deleted has succeeded; default false."},
		{"job_configuration.policy.wait_seconds", "Seconds that an attempt may wait for each cause; 0 is forever."},
		{"job_configuration.stream_output", "Whether the worker sends the output while the job runs; default true."},
	}
}

func keys() []Key {
	var list []Key
	for _, d := range keyDocs() {
		list = append(list, Key{d[0], d[1]})
	}
	return list
}

func schema() object {
	definitions := object{
		"placeholder": object{"type": "string", "pattern": `\{\{`, "description": "A text with a placeholder or an action"},
		"variable":    variable(),
	}
	for name, t := range jobtype.All() {
		definitions["kubernetes."+name] = kubernetes(t)
	}
	root := keyed("", object{
		"engine": object{"type": "string"}, "variables": variables(), "frozen": object{"type": "object"},
		"template_env":      object{"type": "array", "items": object{"type": "string"}},
		"job_configuration": configuration(),
	})
	for _, ignored := range []string{"required", "title", "description"} {
		root[ignored] = true // Prefect's templates have them; they mean nothing
	}
	return object{
		"$schema": draft, "title": "Base job template of Berth", "type": "object", "required": []string{"job_configuration"},
		"properties": root, "additionalProperties": false, "patternProperties": object{"^x-": true},
		"definitions": definitions,
	}
}

// keyed adds the documentation to the keys below a path.
func keyed(path string, properties object) object {
	for _, d := range keyDocs() {
		parent, key := "", d[0]
		if i := strings.LastIndexByte(d[0], '.'); i >= 0 {
			parent, key = d[0][:i], d[0][i+1:]
		}
		if property, ok := properties[key].(object); ok && parent == path {
			property["description"] = d[1]
		}
	}
	return properties
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// orPlaceholder also accepts a text with a placeholder.
func orPlaceholder(s object) object { return object{"anyOf": []any{s, ref("placeholder")}} }

func configuration() object {
	text, boolean := object{"type": []string{"string", "null"}}, orPlaceholder(object{"type": []string{"boolean", "null"}})
	seconds := orPlaceholder(object{"type": []string{"integer", "null"}, "minimum": 0})
	values := orPlaceholder(object{"type": []string{"object", "null"}})
	choice := func(words ...string) object { return orPlaceholder(object{"enum": words}) }
	policy := keyed("job_configuration.policy", object{
		"env_as_secret": maps.Clone(boolean), "eviction": choice("reschedule", "fail"), "logs": choice("first", "all"),
		"node_lost": choice("wait", "force"), "node_lost_after_seconds": maps.Clone(seconds), "pod_deleted": choice("fail", "reschedule"),
		"restarts": choice("berth", "kubelet"), "trust_exit_zero": maps.Clone(boolean),
		"wait_seconds": orPlaceholder(object{"type": "object", "additionalProperties": false, "properties": object{
			"config": seconds, "image_pull": seconds, "quota": seconds, "unschedulable": seconds,
		}}),
	})
	return object{
		"type": "object",
		"properties": keyed("job_configuration", object{
			"annotations": maps.Clone(values), "labels": maps.Clone(values),
			"cluster_config": orPlaceholder(object{"type": []string{"object", "null"}}),
			"command":        object{"type": []string{"array", "string", "null"}},
			"env":            orPlaceholder(object{"type": []string{"object", "array", "null"}}),
			"job_manifest": object{"anyOf": []any{
				ref("kubernetes." + jobtype.Root), object{"type": "string"},
			}},
			"job_watch_timeout_seconds": maps.Clone(seconds), "pod_watch_timeout_seconds": maps.Clone(seconds),
			"name": maps.Clone(text), "namespace": maps.Clone(text), "stream_output": maps.Clone(boolean),
			"policy": orPlaceholder(object{"type": []string{"object", "null"}, "properties": policy, "additionalProperties": false}),
		}),
	}
}

// variables is a schema of job variables, as far as editors help to write one.
func variables() object {
	return object{
		"type": "object",
		"properties": object{
			"type":                 object{"const": "object"},
			"required":             object{"type": "array", "items": object{"type": "string"}},
			"properties":           object{"type": "object", "additionalProperties": ref("variable")},
			"additionalProperties": object{"description": "Whether values without a declared variable are accepted"},
		},
	}
}

// variable is the schema of a variable: the words of JSON Schema that are used most.
func variable() object {
	types := []string{"string", "integer", "number", "boolean", "array", "object", "null"}
	word := func(s object, doc string) object {
		s["description"] = doc
		return s
	}
	return object{
		"type": []string{"object", "boolean"},
		"properties": object{
			"type": word(object{"anyOf": []any{
				object{"enum": types}, object{"type": "array", "items": object{"enum": types}},
			}}, "Type of the value"),
			"title":                word(object{"type": "string"}, "Name of the variable, for people"),
			"description":          word(object{"type": "string"}, "What the variable is for"),
			"default":              word(object{}, "Value where neither deployment nor run has one"),
			"examples":             word(object{"type": "array"}, "Values to render the Job with when the template is checked"),
			"enum":                 word(object{"type": "array"}, "Values that are accepted"),
			"const":                word(object{}, "The only value that is accepted"),
			"minimum":              word(object{"type": "number"}, "Least value"),
			"maximum":              word(object{"type": "number"}, "Greatest value"),
			"minLength":            word(object{"type": "integer"}, "Least number of characters"),
			"maxLength":            word(object{"type": "integer"}, "Greatest number of characters"),
			"pattern":              word(object{"type": "string"}, "Regular expression (RE2) that a part of the text matches"),
			"format":               word(object{"type": "string"}, "Such as date, date-time, uuid or uri"),
			"items":                word(described("variable"), "Schema of each item"),
			"minItems":             word(object{"type": "integer"}, "Least number of items"),
			"maxItems":             word(object{"type": "integer"}, "Greatest number of items"),
			"uniqueItems":          word(object{"type": "boolean"}, "Whether all items differ"),
			"properties":           word(object{"type": "object", "additionalProperties": ref("variable")}, "Schemas of the keys"),
			"required":             word(object{"type": "array", "items": object{"type": "string"}}, "Keys that must be there"),
			"additionalProperties": word(described("variable"), "Schema of other keys, or whether they are accepted"),
		},
	}
}

// described is a reference beside which a description counts.
func described(name string) object { return object{"allOf": []any{ref(name)}} }

// kubernetes is the schema of an object of Kubernetes.
func kubernetes(t jobtype.Type) object {
	properties := object{}
	for _, f := range t.Fields {
		value := valueOf(f)
		switch {
		case f.List:
			value = orPlaceholder(object{"type": []string{"array", "null"}, "items": value})
		case f.Map:
			value = orPlaceholder(object{"type": []string{"object", "null"}, "additionalProperties": value})
		}
		if f.Doc != "" {
			value["description"] = f.Doc
		}
		properties[f.Name] = value
	}
	return object{"type": []string{"object", "null"}, "description": t.Doc, "properties": properties, "additionalProperties": false}
}

// valueOf is the schema of a value of a field, of an item or of an entry. A placeholder without a value removes its key,
// and so does null.
func valueOf(f jobtype.Field) object {
	switch f.Type {
	case jobtype.String, jobtype.Time, jobtype.Bytes:
		if len(f.Enum) > 0 {
			return orPlaceholder(object{"enum": append(values(f.Enum), nil)})
		}
		return object{"type": []string{"string", "null"}}
	case jobtype.Integer, jobtype.Number, jobtype.Boolean:
		return orPlaceholder(object{"type": []string{f.Type, "null"}})
	case jobtype.Quantity:
		return object{"type": []string{"string", "number", "null"}}
	case jobtype.IntOrString:
		return object{"type": []string{"string", "integer", "null"}}
	case jobtype.Any:
		return object{}
	}
	return orPlaceholder(ref("kubernetes." + f.Type))
}

func values(words []string) []any {
	list := make([]any, len(words))
	for i, word := range words {
		list[i] = word
	}
	return list
}
