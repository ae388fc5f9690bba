package manifest

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

func TestLintNamesTheVariablesThroughWhichAReferenceReachesTheJob(t *testing.T) {
	const namespaced = `
variables: {type: object, properties: {secret: {type: string}}}
job_configuration:
  namespace: jobs
  job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: job, image: "b:1", envFrom: [{secretRef: {name: "{{ secret }}"}}]}]}}}}
`
	tests := map[string]struct {
		template string
		want     []string // none: nothing may be named
	}{
		"env of any values": {envTemplate, []string{`variable "env" can name any Secret of the worker's namespace`,
			`variable "env" can name any ConfigMap of the worker's namespace`}},
		"env of text": {strings.Replace(envTemplate, "env: {type: object}",
			"env: {type: object, additionalProperties: {type: string}}", 1), nil},
		"a name in a fixed namespace": {namespaced, []string{`variable "secret" can name any Secret of namespace "jobs"`}},
		"a choice of names":           {strings.Replace(namespaced, "{type: string}", "{enum: [a, b]}", 1), nil},
		"a name inside a variable": {podTemplate(`db: {type: object, additionalProperties: false, properties: {secret: {type: string}}}`, "",
			`envFrom: [{secretRef: {name: "{{ db.secret }}"}}]`), []string{`variable "db" can name any Secret`}},
		"a key":                   {podTemplate(`key: {type: string}`, "", `env: {X: {valueFrom: {secretKeyRef: {name: db, key: "{{ key }}"}}}}`), []string{`variable "key" can name any Secret`}},
		"a ServiceAccount":        {podTemplate(`sa: {type: string}`, `serviceAccountName: "{{ sa }}"`, ""), []string{`variable "sa" can name any ServiceAccount`}},
		"imagePullSecrets":        {podTemplate(`p: {type: array}`, `imagePullSecrets: "{{ p }}"`, ""), []string{`variable "p" can name any Secret`}},
		"envFrom":                 {podTemplate(`e: {type: array}`, "", `envFrom: "{{ e }}"`), []string{`variable "e" can name any Secret`}},
		"volumes":                 {podTemplate(`v: {type: array}`, `volumes: "{{ v }}"`, ""), []string{`variable "v" can name any Secret`, `any PersistentVolumeClaim`, `a volume of type hostPath`, `a volume of type csi`}},
		"projected sources":       {podTemplate(`v: {type: array}`, `volumes: [{name: x, projected: {sources: "{{ v }}"}}]`, ""), []string{`variable "v" can name any Secret`, `a ServiceAccount token`}},
		"CSI":                     {podTemplate(`v: {type: string}`, `volumes: [{name: x, csi: {driver: d, nodePublishSecretRef: {name: "{{ v }}"}}}]`, ""), []string{`variable "v" can name any Secret`}},
		"containers":              {podTemplate(`c: {type: array}`, `initContainers: "{{ c }}"`, ""), []string{`variable "c" can name any Secret`, `field securityContext`}},
		"a namespace":             {strings.Replace(namespaced, "namespace: jobs", `namespace: "{{ secret }}"`, 1), []string{`can name any namespace`}},
		"a text manifest":         {textTemplate, []string{`variable "env" can name any Secret`, `variable "secret" can name any Secret`, `variable "pod" can name any ServiceAccount`}},
		"a function":              {podTemplate(`v: {type: string}`, `serviceAccountName: '{{ .v | lower }}'`, ""), []string{`variable "v" can name any ServiceAccount`}},
		"a node selector":         {podTemplate(`v: {additionalProperties: {type: string}}`, `nodeSelector: "{{ v }}"`, ""), []string{`variable "v" can select nodes by any label`}},
		"tolerations":             {podTemplate(`v: {type: array}`, `tolerations: "{{ v }}"`, ""), []string{`variable "v" can tolerate any taint`}},
		"the key of a toleration": {podTemplate(`v: {type: string}`, `tolerations: [{key: "{{ v }}"}]`, ""), []string{`variable "v" can tolerate any taint`}},
		"a priority":              {podTemplate(`v: {type: string}`, `priorityClassName: "{{ v }}"`, ""), []string{`variable "v" can name any PriorityClass`}},
		"a label of one's own":    {podTemplate(`v: {type: string}`, `nodeSelector: {disk: "{{ v }}"}`, ""), nil},
		"only an image":           {podTemplate(`v: {type: string}`, "", `args: ["{{ v }}"]`), nil},
		"env as a list": {strings.Replace(envTemplate, "env: {type: object}", "env: {type: array}", 1),
			[]string{`variable "env" can name any Secret`}},
		"a dotted placeholder": {podTemplate(`pod: {type: object}`, `imagePullSecrets: "{{ pod.pull }}"`, ""), nil},
		"a name in a dotted placeholder": {podTemplate(`pod: {type: object}`, "", `envFrom: [{secretRef: {name: "{{ pod.secret }}"}}]`),
			[]string{`variable "pod" can name any Secret`}},
		"a nested object": {podTemplate(`pod: {type: object}`, "", `env: ["{{ pod }}"]`), []string{`variable "pod" can name any Secret`}},
		"labels and annotations of job_configuration": {`
variables: {type: object, properties: {l: {type: object}, a: {type: object, additionalProperties: {type: string}}}}
job_configuration:
  labels: "{{ l }}"
  annotations: "{{ a }}"
  job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: job, image: "b:1"}]}}}}
`, []string{`variable "l" can set any label of the Job and its pods`, `variable "a" can set any annotation of the Job and its pods`}},
		"metadata of the pod": {`
variables: {type: object, properties: {m: {type: object}}}
job_configuration:
  job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {metadata: "{{ m }}", spec: {containers: [{name: job, image: "b:1"}]}}}}
`, []string{`variable "m" can set any label`, `variable "m" can set any annotation`}},
		"annotations of a text manifest": {`
variables: {type: object, properties: {a: {type: object}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    metadata:
      annotations: {{ toJson .a }}
    spec: {template: {spec: {containers: [{name: job, image: "b:1"}]}}}
`, []string{`variable "a" can set any annotation`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parsed, err := templating.Parse([]byte(test.template))
			if err != nil {
				t.Fatal(err)
			}
			report := Lint(templating.DefaultRegistry(), parsed, reference.Protected{})
			var named []string
			for _, p := range report.Warnings {
				if p.Code == templating.CodeReference {
					named = append(named, p.Message)
				}
			}
			for _, want := range test.want {
				if !slices.ContainsFunc(named, func(m string) bool { return strings.Contains(m, want) }) {
					t.Errorf("warnings are %q, want one with %q", named, want)
				}
			}
			if len(test.want) == 0 && len(named) > 0 {
				t.Errorf("warnings are %q, want none", named)
			}
		})
	}
}
