package manifest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// isOurs reports whether Berth sets an environment variable, and not the template.
func isOurs(name string) bool {
	return strings.HasPrefix(name, manifest.EnvPrefix) || name == manifest.EnvTraceparent
}

// envOf is the environment of the job container as NAME=VALUE, without what Berth sets itself.
func envOf(f *manifest.Finished) string {
	var entries []string
	for _, entry := range f.Job.Spec.Template.Spec.Containers[0].Env {
		if !isOurs(entry.Name) {
			entries = append(entries, entry.Name+"="+entry.Value)
		}
	}
	return strings.Join(entries, " ")
}

const envTemplate = `
variables: {type: object, properties: {env: {type: object, default: {A: default}}}}
job_configuration:
  CONFIGURED
  job_manifest:
    spec:
      template:
        spec:
          containers: [{name: j, image: "x:1", env: [{name: A, value: manifest}, {name: B, value: manifest}]}]
`

func TestEveryLevelOfAnEnvironmentArrives(t *testing.T) {
	for _, c := range []struct {
		name, configured string
		vars             string
		want             string
	}{
		{"a run wins over the manifest, whose entries keep their places", `env: "{{ env }}"`, `{"env": {"B": "run", "C": "run"}}`, "A=default B=run C=run"},
		{"a mapping is written where nothing refers to it", "", `{"env": {"B": "run"}}`, "A=default B=run"},
		{"null unsets what the manifest has", `env: "{{ env }}"`, `{"env": {"B": null}}`, "A=default"},
		{"a list", `env: "{{ env }}"`, `{"env": [{"name": "Z", "value": "1"}, {"name": "B", "value": "2"}]}`, "A=default B=2 Z=1"},
		{"what an entry names stands before it", `env: "{{ env }}"`, `{"env": {"HOME": "$(ROOT)/x", "ROOT": "/data"}}`, "A=default B=manifest ROOT=/data HOME=$(ROOT)/x"},
		{"in a chain", `env: "{{ env }}"`, `{"env": [{"name": "C", "value": "$(D)"}, {"name": "D", "value": "$(E)"}, {"name": "E", "value": "$$(C)"}]}`, "A=default B=manifest E=$$(C) D=$(E) C=$(D)"},
		{"and in a circle they stay", `env: "{{ env }}"`, `{"env": {"C": "$(D)", "D": "$(C)"}}`, "A=default B=manifest D=$(C) C=$(D)"},
		{"numbers and booleans as they were written", `env: "{{ env }}"`, `{"env": {"P": 3.10, "R": 1e3, "T": true, "BIG": 123456789012345678901234567890}}`, "A=default B=manifest BIG=123456789012345678901234567890 P=3.10 R=1e3 T=true"},
		{"also with dotted keys", `env: "{{ env }}"`, `{"env.P": 3.10}`, "A=default B=manifest P=3.10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			vars, err := templating.DecodeJSON([]byte(c.vars))
			if err != nil {
				t.Fatal(err)
			}
			source := strings.ReplaceAll(envTemplate, "CONFIGURED", c.configured)
			finished, err := manifest.Build(render(t, source, vars.(map[string]any)), identity())
			if err != nil {
				t.Fatal(err)
			}
			if got := envOf(finished); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNumbersOfATemplatesEnvironmentKeepTheirText(t *testing.T) {
	f := build(t, `
variables: {type: object, properties: {env: {type: object, default: {MODE: 007, HEX: 0x1F, YES: True, MANY: 1_000}}}}
job_configuration:
  env: "{{ env }}"
  job_manifest: {spec: {template: {spec: {containers: [{name: j, image: "x:1", env: [{name: PY, value: 3.10}]}]}}}}
`)
	if got, want := envOf(f), "PY=3.10 HEX=0x1F MANY=1_000 MODE=007 YES=True"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLabelsAndAnnotationsOfTheLevelsWinOnJobAndPod(t *testing.T) {
	f := build(t, `
job_configuration:
  labels: {a: level, b: münchen}
  annotations: {a: level}
  job_manifest:
    metadata: {labels: {a: job, j: job}, annotations: {a: job, only: job}}
    spec: {template: {metadata: {labels: {a: pod}, annotations: {a: pod}}, spec: {containers: [{name: j, image: "x:1"}]}}}
`)
	pod := f.Job.Spec.Template
	for what, got := range map[string]string{
		"Job's label": f.Job.Labels["a"], "pod's label": pod.Labels["a"],
		"Job's annotation": f.Job.Annotations["a"], "pod's annotation": pod.Annotations["a"],
	} {
		if got != "level" {
			t.Errorf("the %s is %q, want that of job_configuration", what, got)
		}
	}
	if f.Job.Labels["j"] != "job" || f.Job.Labels["b"] != "munchen" || f.Job.Annotations["only"] != "job" ||
		pod.Annotations["only"] != "" {
		t.Errorf("labels %v, annotations %v, of pods %v", f.Job.Labels, f.Job.Annotations, pod.Annotations)
	}
}

const exportedJob = `
job_configuration:
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    metadata:
      creationTimestamp: "2026-01-01T00:00:00Z"
      generation: 1
      uid: 5f6b
      resourceVersion: "12"
      name: report
      labels: {controller-uid: 5f6b, job-name: report, batch.kubernetes.io/job-name: report, team: data}
      annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", batch.kubernetes.io/cronjob-scheduled-timestamp: x}
      ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: report, uid: 1a2b, controller: true}]
    spec:
      manualSelector: false
      selector: {matchLabels: {batch.kubernetes.io/controller-uid: 5f6b}}
      template:
        metadata: {creationTimestamp: null, labels: {controller-uid: 5f6b, batch.kubernetes.io/controller-uid: 5f6b}}
        spec: {restartPolicy: Never, containers: [{name: j, image: "x:1", resources: {limits: {memory: 1Gi}}}]}
    status: {succeeded: 1}
`

func TestAnExportedJobLosesWhatItsClusterSet(t *testing.T) {
	f := build(t, exportedJob)
	for _, labels := range []map[string]string{f.Job.Labels, f.Job.Spec.Template.Labels} {
		for key := range labels {
			if strings.HasPrefix(key, "batch.kubernetes.io/") || key == "controller-uid" || key == "job-name" {
				t.Errorf("label %s is still there", key)
			}
		}
	}
	text, err := json.Marshal(f.Job)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"ownerReferences", "5f6b", "last-applied", "selector", `"succeeded"`} {
		if strings.Contains(string(text), left) {
			t.Errorf("%s is still there: %s", left, text)
		}
	}
	if f.Job.Labels["team"] != "data" || len(f.Warnings) != 1 ||
		!strings.Contains(f.Warnings[0].Message, "the Job was exported from a cluster, which sets batch.kubernetes.io/") {
		t.Errorf("labels %v, warnings %v", f.Job.Labels, f.Warnings)
	}
}

// TestMessagesNameTheWayOut holds that what lint says of a mistake leads to what is right.
func TestMessagesNameTheWayOut(t *testing.T) {
	typed := func(schema, leaf string) string {
		return "variables: {type: object, properties: {secs: " + schema + "}}\n" +
			job("", "activeDeadlineSeconds: '"+leaf+"', ", oneContainer)
	}
	for _, c := range []struct{ name, source, want string }{
		{"a variable of the wrong type", typed("{type: string, default: '5'}", "{{ secs }}"), `variable "secs": it is declared as string; declare type integer, or write '{{ int .secs }}'`},
		{"without a type", typed("{default: '5'}", "{{ secs }}"), `variable "secs": its value is text; declare type integer`},
		{"text around a placeholder", typed("{type: integer, default: 5}", "{{ secs }} "), "only a string that is one placeholder and nothing else keeps its type"},
		{"a quoted number", typed("{}", "5"), "remove the quotes"},
		{"a field of the pod at the Job", job("", "nodeSelector: {a: b}, ", oneContainer), "it belongs to spec.template.spec"},
		{"a field of the pod in a container", job("", "", "containers: [{name: j, image: 'x:1', imagePullSecrets: [{name: s}]}]"), "it belongs to spec.template.spec"},
		{"a field of the Job in the pod", job("", "", "ttlSecondsAfterFinished: 5, "+oneContainer), "it belongs to spec"},
		{"a field of a container in the pod", job("", "", "image: 'x:1', "+oneContainer), "it belongs to spec.template.spec.containers[]"},
		{"a limit beside limits", job("", "", "containers: [{name: j, image: 'x:1', limits: {cpu: 1}}]"), "it belongs to spec.template.spec.containers[].resources"},
		{"the name of a Secret's volume", job("", "", oneContainer+", volumes: [{name: v, secret: {name: s}}]"), "write secretName"},
		{"the name of a ConfigMap's volume", job("", "", oneContainer+", volumes: [{name: v, configMap: {configMapName: s}}]"), "write name"},
		{"the name of a claim", job("", "", oneContainer+", volumes: [{name: v, persistentVolumeClaim: {name: s}}]"), "write claimName"},
		{"memory in thousandths", job("", "", "containers: [{name: j, image: 'x:1', resources: {limits: {memory: 128m}}}]"), "did you mean 128Mi?"},
		{"memory without a unit", job("", "", "containers: [{name: j, image: 'x:1', resources: {limits: {memory: 512}}}]"), "did you mean 512Mi?"},
		{"a block in an environment", "variables: {type: object, properties: {env: {type: object, default: {TOK: '{{ prefect.blocks.secret.tok }}'}}}}\n" + job("", "", oneContainer), "{name: TOK, valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}}"},
		{"a block as it is stored", "variables: {type: object, properties: {c: {type: object, default: {$ref: {block_document_id: '1'}}}}}\n" + job("", "", oneContainer), "use a job variable, a stored variable"},
		{"a variable in a default", "variables: {type: object, properties: {image: {default: 'i:1'}, env: {type: object, default: {IMG: '{{ image }}'}}}}\n" + job("", "", oneContainer), `write it in job_configuration, whose env is filled in: env: {IMG: "{{ image }}"}`},
		{"value and valueFrom", job("", "", "containers: [{name: j, image: 'x:1', env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]"), "remove one of the two"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parsed, err := templating.Parse([]byte(c.source))
			if err != nil {
				t.Fatal(err)
			}
			report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
			all := slices.Concat(report.Errors, report.Warnings)
			if !slices.ContainsFunc(all, func(p templating.Problem) bool { return strings.Contains(p.Suggestion, c.want) }) {
				t.Errorf("nothing suggests %q: %v", c.want, all)
			}
		})
	}
}

func TestAnObjectIsNoValueOfAnEnvironment(t *testing.T) {
	parsed, err := templating.Parse([]byte(job("  env: {D: '{{ v }}'}\n", "", oneContainer) +
		"variables: {type: object, properties: {v: {type: object, default: {}}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "environment variable D must be a string, number or boolean, not an object"
	report := templating.Lint(templating.DefaultRegistry(), parsed, manifest.Check)
	if len(report.Errors) != 1 || report.Errors[0].Message != want {
		t.Errorf("got %v, want %s", report.Errors, want)
	}
}
