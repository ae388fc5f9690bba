package templating

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/internal/problem"
	"github.com/berth-dev/berth/templating/internal/value"
)

// MaxTemplateSize bounds a base job template, in bytes.
const MaxTemplateSize = 1 << 20

// Template is a base job template as it was written: what Parse reads and JSON writes.
type Template struct {
	// Engine is the name of the engine; empty means the default one.
	Engine string
	// Variables is the JSON Schema of the job variables.
	Variables map[string]any
	// Frozen holds values that deployments and runs cannot override.
	Frozen map[string]any
	// TemplateEnv lists the names of the worker's environment that placeholders may read.
	TemplateEnv []string
	// JobConfiguration is the tree with placeholders.
	JobConfiguration any
	// Ignored holds top-level keys that templates from elsewhere carry without any meaning, kept so that
	// nothing is lost.
	Ignored map[string]any
}

// TopLevelKeys are the keys that a template has.
func TopLevelKeys() []string {
	return []string{"engine", "variables", "frozen", "template_env", "job_configuration"}
}

// ignoredKeys are top-level keys that mean nothing but are found in templates that load elsewhere.
var ignoredKeys = [...]string{"required", "title", "description"}

// Parse reads a base job template, YAML or JSON. What is wrong comes back as Problems, all at once.
func Parse(data []byte) (*Template, error) {
	if len(data) > MaxTemplateSize {
		return nil, Problems{
			problem.Errorf(CodeLimit, "", "the template has %d bytes; the limit is %d", len(data),
				MaxTemplateSize),
		}
	}
	document, err := decodeDocument(data)
	if err != nil {
		return nil, syntaxProblems(err)
	}
	root, ok := document.(map[string]any)
	if !ok {
		return nil, Problems{
			problem.Errorf(CodeType, "",
				"a template must be an object with variables and job_configuration, not %s",
				value.Article(value.Kind(document))),
		}
	}
	if p := plainObject(root); p != nil {
		return nil, Problems{*p}
	}
	return fromDocument(root)
}

// plainObject says of a Kubernetes object, which is no template, where it goes in one.
func plainObject(root map[string]any) *Problem {
	kind, _ := root["kind"].(string)
	_, versioned := root["apiVersion"].(string)
	_, isTemplate := root["job_configuration"]
	if kind == "" || !versioned || isTemplate {
		return nil
	}
	p := problem.Errorf(CodeUnknownField, "/kind", "this is a %s, not a template", problem.Shorten(kind))
	switch kind {
	case "Job":
		p.Suggestion = "put it under job_configuration.job_manifest"
	case "CronJob":
		p.Suggestion = "put its jobTemplate.spec under job_configuration.job_manifest.spec; the schedule goes to the deployment"
	case "Pod":
		p.Suggestion = "put its spec under job_configuration.job_manifest.spec.template.spec"
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		p.Suggestion = "Berth creates Jobs, which end: put the spec.template of a program that ends under " +
			"job_configuration.job_manifest.spec.template"
	default:
		p.Suggestion = "a template has variables and job_configuration, with a Job under job_configuration.job_manifest"
	}
	return &p
}

// extension is the prefix of keys at the root that mean nothing: a place for anchors.
const extension = "x-"

func decodeDocument(data []byte) (any, error) {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		v, err := value.DecodeJSON(data)
		if err == nil || json.Valid(data) {
			return v, err
		}
		// YAML's flow style also begins with a brace; where neither reads it, what JSON says is nearer to the
		// truth.
		if v, yamlErr := value.DecodeYAML(data); yamlErr == nil {
			return v, nil
		}
		return nil, err
	}
	return value.DecodeYAML(data)
}

func syntaxProblems(err error) Problems {
	var syntax *value.SyntaxError
	if !errors.As(err, &syntax) {
		return Problems{problem.Errorf(CodeSyntax, "", "%v", err)}
	}
	p := problem.Errorf(CodeSyntax, syntax.Pointer, "%s", syntax.Message)
	p.Line, p.Column = syntax.Line, syntax.Column
	return Problems{p}
}

func fromDocument(root map[string]any) (*Template, error) {
	t := &Template{}
	var problems Problems
	fail := func(p Problem) { problems = append(problems, p) }
	for _, key := range value.SortedKeys(root) {
		v := root[key]
		switch key {
		case "engine":
			t.Engine = expect[string](v, "/engine", "a string", fail)
		case "variables":
			t.Variables = expect[map[string]any](v, "/variables", "an object (a JSON Schema)", fail)
		case "frozen":
			t.Frozen = expect[map[string]any](v, "/frozen", "an object", fail)
		case "template_env":
			t.TemplateEnv = templateEnv(v, fail)
		case "job_configuration":
			t.JobConfiguration = expect[map[string]any](v, "/job_configuration", "an object", fail)
		default:
			if strings.HasPrefix(key, extension) {
				continue
			}
			if !t.ignore(key, v) {
				fail(
					problem.Errorf(CodeUnknownField, value.Pointer("", key), "unknown key %q",
						key).SuggestNearest(key, TopLevelKeys()),
				)
			}
		}
	}
	if _, ok := root["job_configuration"]; !ok {
		fail(problem.Errorf(CodeRequired, "/job_configuration", "job_configuration is missing"))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return t, nil
}

func (t *Template) ignore(key string, v any) bool {
	for _, ignored := range ignoredKeys {
		if key == ignored {
			if t.Ignored == nil {
				t.Ignored = map[string]any{}
			}
			t.Ignored[key] = v
			return true
		}
	}
	return false
}

func expect[T any](v any, pointer, want string, fail func(Problem)) T {
	typed, ok := v.(T)
	if !ok {
		fail(problem.Errorf(CodeType, pointer, "must be %s, not %s", want, value.Article(value.Kind(v))))
	}
	return typed
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func templateEnv(v any, fail func(Problem)) []string {
	var names []string
	for i, item := range expect[[]any](v, "/template_env", "a list of names", fail) {
		pointer := "/template_env/" + strconv.Itoa(i)
		name, ok := item.(string)
		if !ok || !envName.MatchString(name) {
			fail(
				problem.Errorf(
					CodeInvalid,
					pointer,
					"must be the name of an environment variable: letters, digits and _, not starting with a digit",
				),
			)
			continue
		}
		names = append(names, name)
	}
	return names
}

// JSON returns the form in which a template is stored: compact, keys sorted. Parse reads the same template
// from it.
func (t *Template) JSON() ([]byte, error) {
	root := map[string]any{"job_configuration": t.JobConfiguration}
	for key, v := range t.Ignored {
		root[key] = v
	}
	if t.Engine != "" {
		root["engine"] = t.Engine
	}
	if t.Variables != nil {
		root["variables"] = t.Variables
	}
	if t.Frozen != nil {
		root["frozen"] = t.Frozen
	}
	if t.TemplateEnv != nil {
		root["template_env"] = t.TemplateEnv
	}
	normal, err := value.Normalize(root)
	if err != nil {
		return nil, err
	}
	return value.AppendJSON(nil, normal)
}
