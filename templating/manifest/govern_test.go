package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// governed renders a template with job variables of a run and builds its Job, as a worker does.
func governed(t *testing.T, template, variables string, allowed reference.Allowed) error {
	t.Helper()
	parsed, err := templating.Parse([]byte(template))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	given, err := templating.DecodeYAML([]byte(variables))
	if err != nil {
		t.Fatal(err)
	}
	values, _ := given.(map[string]any)
	rendered, err := compiled.Render(t.Context(), templating.Input{
		Layers: templating.Layers{Run: values},
		Context: templating.Context{Run: templating.RunContext{
			Parameters: map[string]any{"secret": "of-parameters"},
		}},
	})
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	protected, err := reference.ParseProtected([]string{
		"secret/berth-keys", "secret/berth-postgres", "serviceaccount/berth-worker", "namespace/berth",
		"persistentvolumeclaim/data-berth-server-*",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Build(rendered, Identity{
		RunID: uuid.New(), RunName: "r", Attempt: 1, Pool: "p", Namespace: "jobs", Allowed: &allowed,
		Protected: protected,
	})
	return err
}

// podTemplate is a template whose pod and first container have more fields.
func podTemplate(variables, pod, container string) string {
	return fmt.Sprintf(`
variables: {type: object, properties: {%s}}
job_configuration:
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          %s
          containers:
          - name: job
            image: busybox:1.36
            %s
`, variables, strings.ReplaceAll(pod, "\n", "\n          "), strings.ReplaceAll(container, "\n", "\n            "))
}

func wantReference(t *testing.T, err error, text string) {
	t.Helper()
	var problems templating.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error is %v, want a refused reference", err)
	}
	for _, p := range problems {
		if p.Code == templating.CodeReference && strings.Contains(p.Message, text) {
			return
		}
	}
	t.Errorf("problems are %v, want a refused reference with %q", problems, text)
}

const envTemplate = `
variables: {type: object, properties: {env: {type: object}}}
job_configuration:
  env: "{{ env }}"
  job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: job, image: "busybox:1.36"}]}}}}
`

const textTemplate = `
variables: {type: object, properties: {env: {type: array}, image: {type: string, default: busybox}, secret: {type: string}, pod: {type: object}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          {{- with .pod }}
          {{- toYaml . | nindent 6 }}
          {{- end }}
          containers:
          - name: job
            image: {{ .image }}
            env:
            - name: FIXED
              valueFrom:
                secretKeyRef:
                  name: db
                  key: url
            {{- if .secret }}
            - {name: CHOSEN, valueFrom: {secretKeyRef: {name: {{ .secret }}, key: token}}}
            {{- end }}
            {{- with .env }}
            {{- toYaml . | nindent 8 }}
            {{- end }}
`

const textPlacement = `
variables: {type: object, properties: {disk: {type: string}, gpu: {type: boolean}, labels: {}, more: {}, context: {}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          nodeSelector:
            {{- if .disk }}
            example.com/disk: {{ .disk }}
            {{- end }}
            kubernetes.io/os: linux
            {{- with .labels }}
            {{- toYaml . | nindent 8 }}
            {{- end }}
          tolerations:
          {{- if .gpu }}
          - key: example.com/gpu
            operator: Exists
          {{- end }}
          {{- with .more }}
          {{- toYaml . | nindent 6 }}
          {{- end }}
          containers:
          - name: job
            image: busybox:1.36
            securityContext:
              {{- with .context }}
              {{- toYaml . | nindent 10 }}
              {{- else }}
              allowPrivilegeEscalation: false
              {{- end }}
`

const textRange = `
variables: {type: object, properties: {secrets: {type: array, items: {type: string}}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: job
            image: busybox:1.36
            envFrom:
            {{- range $s := .secrets }}
            - secretRef: {name: {{ $s }}}
            {{- end }}
`

const textPlain = `
variables: {type: object, properties: {image: {type: string}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          # hostNetwork: true would be needed for node metrics; not allowed here
          securityContext: {runAsNonRoot: true}
          containers:
          - name: job
            image: {{ .image }}
`

const textFlow = `
variables: {type: object, properties: {image: {type: string}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec: {template: {spec: {containers: [{name: job, image: {{ .image }} }]}}}
`

func TestAJobVariableCannotBringInAReference(t *testing.T) {
	tests := map[string]struct{ template, variables, want string }{
		"env as a mapping": {envTemplate,
			`env: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}}`, `Secret "db", key "url"`},
		"env as a list": {envTemplate,
			`env: [{name: X, valueFrom: {secretKeyRef: {name: db, key: url}}}]`, `Secret "db", key "url"`},
		"env with a dotted key": {envTemplate,
			`env.X: {valueFrom: {secretKeyRef: {name: db, key: url}}}`, `Secret "db", key "url"`},
		"a ConfigMap": {envTemplate,
			`env: {X: {valueFrom: {configMapKeyRef: {name: c, key: k}}}}`, `ConfigMap "c", key "k"`},
		"a field of the pod": {envTemplate,
			`env: {X: {valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}}`, `field fieldRef`},
		"envFrom": {podTemplate(`v: {}`, "", `envFrom: "{{ v }}"`),
			`v: [{secretRef: {name: db}}]`, `Secret "db"`},
		"a name alone": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: "{{ v }}"}}]`), `v: db`, `Secret "db"`},
		"a part of a name": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: "db-{{ v }}"}}]`), `v: admin`, `Secret "db-admin"`},
		"a key of a Secret of the template": {podTemplate(`v: {type: string}`, "",
			`env: {X: {valueFrom: {secretKeyRef: {name: db, key: "{{ v }}"}}}}`), `v: admin`, `key "admin"`},
		"another key beside the template's": {podTemplate(`v: {type: object}`, "",
			`env: ["{{ v }}", {name: A, valueFrom: {secretKeyRef: {name: db, key: url}}}]`),
			`v: {name: X, valueFrom: {secretKeyRef: {name: db, key: admin}}}`, `key "admin"`},
		"a Secret volume": {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""),
			`v: [{name: x, secret: {secretName: db}}]`, `Secret "db"`},
		"a projected Secret": {podTemplate(`v: {}`, `volumes: [{name: x, projected: {sources: "{{ v }}"}}]`, ""),
			`v: [{secret: {name: db, items: [{key: url, path: url}]}}]`, `Secret "db", key "url"`},
		"a projected token": {podTemplate(`v: {}`, `volumes: [{name: x, projected: {sources: "{{ v }}"}}]`, ""),
			`v: [{serviceAccountToken: {path: t}}]`, `a ServiceAccount token`},
		"imagePullSecrets": {podTemplate(`v: {}`, `imagePullSecrets: "{{ v }}"`, ""), `v: [{name: db}]`, `Secret "db"`},
		"CSI":              {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, csi: {driver: d, nodePublishSecretRef: {name: db}}}]`, `Secret "db"`},
		"azureFile":        {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, azureFile: {secretName: db, shareName: s}}]`, `Secret "db"`},
		"flexVolume":       {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, flexVolume: {driver: d/d, secretRef: {name: db}}}]`, `Secret "db"`},
		"rbd":              {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, rbd: {monitors: [m], image: i, secretRef: {name: db}}}]`, `Secret "db"`},
		"a host path":      {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, hostPath: {path: /}}]`, `a volume of type hostPath`},
		"the path of a host path": {podTemplate(`v: {type: string}`, `volumes: [{name: x, hostPath: {path: "{{ v }}"}}]`, ""),
			`v: /etc`, `a volume of type hostPath`},
		"a claim":            {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, persistentVolumeClaim: {claimName: c}}]`, `PersistentVolumeClaim "c"`},
		"a ServiceAccount":   {podTemplate(`v: {type: string}`, `serviceAccountName: "{{ v }}"`, ""), `v: admin`, `ServiceAccount "admin"`},
		"a security context": {podTemplate(`v: {}`, `initContainers: "{{ v }}"`, ""), `v: [{name: i, image: "b:1", securityContext: {privileged: true}}]`, `field securityContext`},
		"an init container":  {podTemplate(`v: {}`, `initContainers: "{{ v }}"`, ""), `v: [{name: i, image: "b:1", env: [{name: X, valueFrom: {secretKeyRef: {name: db, key: url}}}]}]`, `Secret "db", key "url"`},
		"a node label":       {podTemplate(`v: {}`, `nodeSelector: "{{ v }}"`, ""), `v: {node-role.kubernetes.io/control-plane: ""}`, `node label "node-role.kubernetes.io/control-plane="`},
		"a node label beside the template's": {podTemplate(`v: {}`, `nodeSelector: '{{ merge (dict "disk" "ssd") .v }}'`, ""),
			`v: {role: master}`, `node label "role=master"`},
		"a toleration":                {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{key: gpu, operator: Exists}]`, `a toleration of taint "gpu"`},
		"a toleration of every taint": {podTemplate(`v: {}`, `tolerations: ["{{ v }}"]`, ""), `v: {operator: Exists}`, `a toleration of every taint`},
		"a toleration beside the template's": {podTemplate(`v: {}`, `tolerations: [{key: gpu, operator: Exists}, "{{ v }}"]`, ""),
			`v: {operator: Exists}`, `a toleration of every taint`},
		"the key of a toleration":  {podTemplate(`v: {type: string}`, `tolerations: [{key: "{{ v }}", operator: Exists}]`, ""), `v: master`, `a toleration of taint "master"`},
		"a priority":               {podTemplate(`v: {type: string}`, `priorityClassName: "{{ v }}"`, ""), `v: system-node-critical`, `PriorityClass "system-node-critical"`},
		"a whole security context": {podTemplate(`v: {}`, "", `securityContext: "{{ v }}"`), `v: {privileged: true}`, `field securityContext`},
		"a security context through a function": {podTemplate(`v: {}`, "", `securityContext: '{{ .v | default (dict "runAsUser" 1) }}'`),
			`v: {privileged: true}`, `field securityContext`},
		"a field beside those of an expression": {strings.Replace(wholePod, `"{{ v }}"`, `'{{ merge (dict "restartPolicy" "Never") .v }}'`, 1),
			`v: {hostNetwork: true, containers: [{name: job, image: "b:1"}]}`, `field hostNetwork`},
		"a whole affinity": {podTemplate(`v: {}`, `affinity: "{{ v }}"`, ""),
			`v: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: Exists}]}]}}}`, `field affinity`},
		"the root of an action":         {podTemplate(`v: {type: string}`, "", `envFrom: [{secretRef: {name: "{{ $.v }}"}}]`), `v: other`, `Secret "other"`},
		"a variable of an action":       {podTemplate(`v: {type: string}`, "", `envFrom: [{secretRef: {name: "{{ $s := .v }}{{ $s }}"}}]`), `v: other`, `Secret "other"`},
		"a parameter of the run's name": {podTemplate(`v: {type: string}`, "", `envFrom: [{secretRef: {name: "{{ ctx.run.parameters.secret }}"}}]`), ``, `Secret "of-parameters"`},
		"a word of another variable": {podTemplate(`v: {type: string}, mode: {type: string}`, "",
			"args: ['{{ if eq .mode \"admin\" }}x{{ end }}']\nenvFrom: [{secretRef: {name: \"{{ v }}\"}}]"), `v: admin`, `Secret "admin"`},
		"a word that a function makes of a value": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: '{{ if eq 1 2 }}other-db{{ else }}{{ .v | lower }}{{ end }}'}}]`), `v: OTHER-DB`, `Secret "other-db"`},
		"a word that replace makes of a value": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: '{{ if eq 1 2 }}other-db{{ else }}{{ .v | replace "_" "-" }}{{ end }}'}}]`), `v: other_db`, `Secret "other-db"`},
		"a value that must have a form": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: '{{ if not (regexMatch "^(db|cache)$" .v) }}{{ required "no" absent }}{{ end }}{{ .v }}'}}]`), `v: cache`, `Secret "cache"`},
		"text: a variable of range": {textRange, `secrets: [other]`, `Secret "other"`},
		"text: a capability in the value of another field": {textPlain,
			`image: "busybox\n        securityContext: {capabilities: {add: [SYS_ADMIN]}}"`, `field securityContext`},
		"text: a field that a comment names": {textPlain, `image: "busybox\n      hostNetwork: true"`, `field hostNetwork`},
		"text: structure on one line":        {textFlow, `image: "busybox, securityContext: {privileged: true}"`, `field securityContext`},
		"text: structure in a value that must have a form": {strings.Replace(textFlow, "{{ .image }}", `{{ if not (hasPrefix "reg/" .image) }}{{ required "want reg/" absent }}{{ end }}{{ .image }}`, 1),
			`image: "reg/busybox, securityContext: {privileged: true}"`, `field securityContext`},
		"the claim that a volume is cloned from": {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""),
			`v: [{name: h, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], dataSource: {kind: PersistentVolumeClaim, name: c}}}}}]`, `PersistentVolumeClaim "c"`},
		"the claim that an ephemeral volume of the template is cloned from": {podTemplate(`v: {type: string}`,
			`volumes: [{name: x, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], dataSource: {kind: PersistentVolumeClaim, name: "{{ v }}"}}}}}]`, ""),
			`v: c`, `PersistentVolumeClaim "c"`},
		"a volume of another container": {podTemplate(`v: {}`, "volumes: [{name: s, secret: {secretName: side}}]\ninitContainers: [{name: side, image: \"b:1\", volumeMounts: [{name: s, mountPath: /s}]}]",
			`volumeMounts: "{{ v }}"`), `v: [{name: s, mountPath: /x}]`, `Secret "side"`},
		"text: a node label":  {textPlacement, `{labels: {role: master}}`, `node label "role=master"`},
		"text: a toleration":  {textPlacement, `{more: [{operator: Exists}]}`, `a toleration of every taint`},
		"text: a whole field": {textPlacement, `{context: {privileged: true}}`, `field securityContext`},
		"a node":              {wholePod, `v: {nodeName: n, containers: [{name: job, image: "b:1"}]}`, `field nodeName`},
		"the Secret that another container has": {
			podTemplate(`env: {}`, `initContainers: [{name: fetch, image: "b:1", envFrom: [{secretRef: {name: db}}]}]`, `env: "{{ env }}"`),
			`env: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}}`, `Secret "db", key "url"`},
		"text: env":           {textTemplate, `env: [{name: X, valueFrom: {secretKeyRef: {name: db, key: admin}}}]`, `key "admin"`},
		"text: a name":        {textTemplate, `secret: other`, `Secret "other", key "token"`},
		"text: injected YAML": {textTemplate, "image: \"b:1\\n        envFrom: [{secretRef: {name: db}}]\"", `Secret "db"`},
		"text: a token":       {textTemplate, `pod: {serviceAccountName: admin, automountServiceAccountToken: true}`, `ServiceAccount "admin"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantReference(t, governed(t, test.template, test.variables, reference.Allowed{}), test.want)
		})
	}
}

const wholePod = `
variables: {type: object, properties: {v: {}}}
job_configuration: {job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: "{{ v }}"}}}}
`

func TestWhatTheTemplateWritesIsItsOwn(t *testing.T) {
	tests := map[string]struct{ template, variables string }{
		"a fixed reference": {podTemplate(`a: {}`, "",
			`env: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}, A: "{{ a }}"}`), ``},
		"env of job_configuration": {strings.Replace(envTemplate, `env: "{{ env }}"`,
			`env: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}, A: "{{ env.A }}"}`, 1), `env: {A: "1"}`},
		"a choice":  {podTemplate(`v: {enum: [db-ro, db-rw]}`, "", `envFrom: [{secretRef: {name: "{{ v }}"}}]`), `v: db-rw`},
		"a part":    {podTemplate(`v: {enum: [ro, rw]}`, "", `envFrom: [{secretRef: {name: "db-{{ v }}"}}]`), `v: rw`},
		"a default": {podTemplate(`v: {type: string, default: etl}`, `serviceAccountName: "{{ v }}"`, ""), ``},
		"a default with structure": {podTemplate(
			`env: {default: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}}}`, "", `env: "{{ env }}"`), `env: {B: c}`},
		"an expression": {podTemplate(`v: {type: boolean}`, `imagePullSecrets: '{{ ternary (list (dict "name" "hub")) absent .v }}'`, ""), `v: true`},
		"a condition":   {podTemplate(`v: {type: boolean}`, "", `envFrom: [{secretRef: {name: '{{ if .v }}a{{ else }}b{{ end }}'}}]`), `v: true`},
		"volumes":       {podTemplate(`a: {}`, "volumes: [{name: x, secret: {secretName: tls}}, {name: h, hostPath: {path: /data}}, {name: p, projected: {sources: [{secret: {name: s, items: [{key: k, path: k}]}}]}}]", `args: ["{{ a }}"]`), ``},
		"a field offered by a variable": {podTemplate(`v: {type: integer}`,
			`securityContext: {runAsUser: "{{ v }}"}`, ""), `v: 1000`},
		"the value of a node label":                    {podTemplate(`v: {type: string}`, `nodeSelector: {disk: "{{ v }}"}`, ""), `v: ssd`},
		"another value of a node label of the default": {podTemplate(`v: {default: {disk: ssd}}`, `nodeSelector: "{{ v }}"`, ""), `v: {disk: fast}`},
		"a node label in the schema":                   {podTemplate(`v: {properties: {disk: {type: string}}}`, `nodeSelector: "{{ v }}"`, ""), `v: {disk: ssd}`},
		"a toleration of a fixed taint":                {podTemplate(`v: {type: string}`, `tolerations: [{key: gpu, value: "{{ v }}"}]`, ""), `v: a100`},
		"a toleration of every taint":                  {podTemplate(`a: {}`, "tolerations: [{operator: Exists}]", `args: ["{{ a }}"]`), ``},
		"a toleration from a choice":                   {podTemplate(`v: {enum: [gpu, spot]}`, `tolerations: [{key: "{{ v }}", operator: Exists}]`, ""), `v: spot`},
		"a toleration whose key the schema lists": {podTemplate(
			`v: {items: {properties: {key: {enum: [gpu]}, operator: {type: string}, effect: {type: string}}}}`,
			`tolerations: "{{ v }}"`, ""), `v: [{key: gpu, operator: Exists}]`},
		"a priority from a choice": {podTemplate(`v: {enum: [low, high]}`, `priorityClassName: "{{ v }}"`, ""), `v: high`},
		"a security context in the schema": {podTemplate(`v: {properties: {runAsUser: {type: integer}}}`,
			`securityContext: "{{ v }}"`, ""), `v: {runAsUser: 1000}`},
		"a security context of an expression": {podTemplate(`v: {type: integer}`,
			`securityContext: '{{ dict "runAsUser" .v "runAsNonRoot" true }}'`, ""), `v: 1000`},
		"an affinity to a chosen zone": {podTemplate(`v: {type: string}`,
			`affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: ["{{ v }}"]}]}]}}}`, ""), `v: a`},
		"a validator that other values fail": {podTemplate(`v: {type: integer}`,
			`securityContext: {runAsUser: 1000}`, `args: ['{{ if mod .v 2 }}{{ required "must be even" absent }}{{ end }}{{ .v }}']`), `v: 12`},
		"a validator beside a Secret and its mount": {podTemplate(`v: {type: string}`,
			`volumes: [{name: tls, secret: {secretName: warehouse}}]`,
			"volumeMounts: [{name: tls, mountPath: /tls}]\nargs: ['{{ if not (has .v (list \"debug\" \"info\")) }}{{ required \"no level\" absent }}{{ end }}{{ .v }}']"), `v: debug`},
		"a validator and letters of the Secret's name": {podTemplate(`v: {type: string}`, "",
			"env: {X: {valueFrom: {secretKeyRef: {name: db, key: p}}}}\nargs: ['{{ if not (regexMatch \"^(dev|prod)$\" .v) }}{{ required \"no\" absent }}{{ end }}{{ .v }}']"), `v: prod`},
		"the size of an ephemeral volume": {podTemplate(`v: {type: string}`,
			`volumes: [{name: x, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: "{{ v }}"}}}}}}]`, ""), `v: 5Gi`},
		"a choice by a number": {podTemplate(`v: {type: integer}`,
			`serviceAccountName: '{{ if eq .v 4 }}large{{ else }}small{{ end }}'`, ""), `v: 4`},
		"a choice by a letter": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: '{{ if eq .v "b" }}blue-db{{ else }}green-db{{ end }}'}}]`), `v: b`},
		"a choice by a word": {podTemplate(`v: {type: string}`, "",
			`envFrom: [{secretRef: {name: '{{ if eq .v "prod" }}prod-db{{ else }}test-db{{ end }}'}}]`), `v: prod`},
		"a choice by the day": {podTemplate(`v: {type: string}`,
			`serviceAccountName: 'etl-{{ if eq (now | date "Mon") "Sat" }}weekend{{ else }}week{{ end }}'`, `args: ["{{ v }}"]`), `v: x`},
		"text: placement": {textPlacement, `{disk: ssd, gpu: true}`},
		"text: fixed":     {textTemplate, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := governed(t, test.template, test.variables, reference.Allowed{}); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestThePoolAllowsReferences(t *testing.T) {
	allowed := reference.Allowed{
		Secrets:         []reference.Object{{Name: "db", Keys: []string{"url"}}, {Name: "all"}},
		ConfigMaps:      []reference.Object{{Name: "c"}},
		ServiceAccounts: []string{"etl"}, VolumeClaims: []string{"data"}, PriorityClasses: []string{"low"},
		NodeLabels: []string{"disk", "zone=a"}, Tolerations: []string{"gpu=a100:NoSchedule", "spot"},
	}
	tests := map[string]struct{ template, variables, want string }{
		"a key on the list":     {envTemplate, `env: {X: {valueFrom: {secretKeyRef: {name: db, key: url}}}}`, ""},
		"another key":           {envTemplate, `env: {X: {valueFrom: {secretKeyRef: {name: db, key: admin}}}}`, `key "admin"`},
		"any key of a Secret":   {envTemplate, `env: {X: {valueFrom: {secretKeyRef: {name: all, key: x}}}}`, ""},
		"all of a keyed Secret": {podTemplate(`v: {}`, "", `envFrom: "{{ v }}"`), `v: [{secretRef: {name: db}}]`, `Secret "db"`},
		"a ConfigMap":           {envTemplate, `env: {X: {valueFrom: {configMapKeyRef: {name: c, key: x}}}}`, ""},
		"a ServiceAccount":      {podTemplate(`v: {}`, `serviceAccountName: "{{ v }}"`, ""), `v: etl`, ""},
		"a claim":               {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, persistentVolumeClaim: {claimName: data}}]`, ""},
		"node labels":           {podTemplate(`v: {}`, `nodeSelector: "{{ v }}"`, ""), `v: {disk: ssd, zone: a}`, ""},
		"another value":         {podTemplate(`v: {}`, `nodeSelector: "{{ v }}"`, ""), `v: {zone: b}`, `node label "zone=b"`},
		"a taint":               {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{key: gpu, value: a100, effect: NoSchedule}]`, ""},
		"any value of a taint":  {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{key: gpu, operator: Exists, effect: NoSchedule}]`, `taint "gpu:NoSchedule"`},
		"any effect of a taint": {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{key: gpu, value: a100}]`, `taint "gpu=a100"`},
		"all of a taint":        {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{key: spot, operator: Exists}]`, ""},
		"every taint":           {podTemplate(`v: {}`, `tolerations: "{{ v }}"`, ""), `v: [{operator: Exists}]`, "every taint"},
		"a priority":            {podTemplate(`v: {}`, `priorityClassName: "{{ v }}"`, ""), `v: low`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := governed(t, test.template, test.variables, allowed)
			if test.want != "" {
				wantReference(t, err, test.want)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestNoJobReachesTheInstallation(t *testing.T) {
	everything := reference.Allowed{
		Secrets:         []reference.Object{{Name: "berth-keys"}, {Name: "sh.helm.release.v1.berth.v1"}, {Name: "etl-abcdefghijkl-1"}},
		ServiceAccounts: []string{"berth-worker"}, VolumeClaims: []string{"data-berth-server-0"}, Namespaces: []string{"berth"},
	}
	tests := map[string]struct{ template, variables, want string }{
		"the outsider's script": {envTemplate,
			`env: {X: {valueFrom: {secretKeyRef: {name: berth-keys, key: admin}}}}`, `belongs to this installation`},
		"written by the template": {podTemplate(`a: {}`, "", "envFrom: [{secretRef: {name: berth-postgres}}]\nargs: ['{{ a }}']"), ``, `belongs to this installation`},
		"a ServiceAccount":        {podTemplate(`v: {}`, `serviceAccountName: "{{ v }}"`, ""), `v: berth-worker`, `ServiceAccount "berth-worker" belongs`},
		"the volume":              {podTemplate(`v: {}`, `volumes: "{{ v }}"`, ""), `v: [{name: x, persistentVolumeClaim: {claimName: data-berth-server-0}}]`, `belongs`},
		"Helm's values":           {envTemplate, `env: {X: {valueFrom: {secretKeyRef: {name: sh.helm.release.v1.berth.v1, key: release}}}}`, `Helm release`},
		"another run's Secret":    {envTemplate, `env: {X: {valueFrom: {secretKeyRef: {name: etl-abcdefghijkl-1, key: BERTH_API_KEY}}}}`, `Secret of a run`},
		"the namespace": {strings.Replace(envTemplate, `env: "{{ env }}"`, `namespace: "{{ env.N }}"`, 1),
			`env: {N: berth}`, `holds the Secrets of this installation`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantReference(t, governed(t, test.template, test.variables, everything), test.want)
		})
	}
}

func TestAVariableCannotChooseTheNamespace(t *testing.T) {
	template := strings.Replace(envTemplate, `env: "{{ env }}"`, `namespace: "{{ env.N }}"`, 1)
	wantReference(t, governed(t, template, `env: {N: team-b}`, reference.Allowed{}), `namespace "team-b"`)
	for name, test := range map[string]struct {
		variables string
		allowed   reference.Allowed
	}{
		"the worker's own":    {`env: {N: jobs}`, reference.Allowed{}},
		"one that is allowed": {`env: {N: team-b}`, reference.Allowed{Namespaces: []string{"team-b"}}},
	} {
		if err := governed(t, template, test.variables, test.allowed); err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
	}
}

// labelledTemplate has labels and annotations in job_configuration, in the Job and in the pod.
const labelledTemplate = `
variables:
  type: object
  properties:
    labels: {type: object}
    annotations: {type: object}
    pod: {type: object}
    role: {type: string, default: etl}
job_configuration:
  labels: "{{ labels }}"
  annotations: "{{ annotations }}"
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    metadata: {annotations: {example.com/job: "{{ role }}"}}
    spec:
      template:
        metadata: "{{ pod }}"
        spec: {containers: [{name: job, image: "busybox:1.36"}]}
`

const labelledText = `
variables: {type: object, properties: {annotations: {type: object}, role: {type: string, default: etl}}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        metadata:
          annotations:
            vault.hashicorp.com/role: {{ .role }}
            {{- with .annotations }}
            {{- toYaml . | nindent 8 }}
            {{- end }}
        spec: {containers: [{name: job, image: "busybox:1.36"}]}
`

func TestAJobVariableCannotGiveOrdersToAdmissionWebhooks(t *testing.T) {
	const inject = `vault.hashicorp.com/agent-inject`
	for name, test := range map[string]struct{ template, variables, want string }{
		"annotations": {labelledTemplate, `annotations: {` + inject + `: "true"}`, `annotation "` + inject + `"`},
		"labels": {labelledTemplate, `labels: {azure.workload.identity/use: "true"}`,
			`label "azure.workload.identity/use"`},
		"metadata of the pod": {labelledTemplate, `pod: {annotations: {` + inject + `: "true"}}`,
			`annotation "` + inject + `"`},
		"labels of the pod": {labelledTemplate, `pod: {labels: {sidecar.istio.io/inject: "true"}}`,
			`label "sidecar.istio.io/inject"`},
		"an exception of a security profile": {labelledTemplate,
			`annotations: {container.apparmor.security.beta.kubernetes.io/job: unconfined}`, `annotation "container.apparmor.security.beta.kubernetes.io/job"`},
		"text": {labelledText, `annotations: {` + inject + `: "true"}`, `annotation "` + inject + `"`},
		"a key of the template in another place": {labelledTemplate, `labels: {example.com/job: x}`,
			`label "example.com/job"`},
		"another value for a key that the manifest has": {labelledTemplate, `annotations: {example.com/job: x}`,
			`annotation "example.com/job"`},
	} {
		t.Run(name, func(t *testing.T) {
			wantReference(t, governed(t, test.template, test.variables, reference.Allowed{}),
				test.want+" comes from a job variable, and work pool \"p\" does not allow it")
		})
	}
}

func TestLabelsAndAnnotationsThatOrderNothingAreFree(t *testing.T) {
	allowed := reference.Allowed{MetadataKeys: []string{"kueue.x-k8s.io/queue-name", "example.org/*"}}
	for name, test := range map[string]struct{ template, variables string }{
		"without a domain":        {labelledTemplate, `{labels: {team: data}, annotations: {note: x}}`},
		"of app.kubernetes.io":    {labelledTemplate, `labels: {app.kubernetes.io/part-of: etl}`},
		"Berth's, without effect": {labelledTemplate, `labels: {berth.dev/pool: x}`},
		"written by the template": {labelledTemplate, `role: admin`},
		"written in a text":       {labelledText, `role: admin`},
		"allowed by the pool":     {labelledTemplate, `labels: {kueue.x-k8s.io/queue-name: q}`},
		"of an allowed domain":    {labelledTemplate, `{labels: {example.org/a: x}, annotations: {example.org/b: x}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := governed(t, test.template, test.variables, allowed); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	for _, key := range []string{"team", "example.com/", "/x", "Example.com/x", "a b/c", "example.com/*x"} {
		if len(reference.Allowed{MetadataKeys: []string{key}}.Check()) != 1 {
			t.Errorf("the key %q is taken", key)
		}
	}
}
