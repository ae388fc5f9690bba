package manifest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	texttemplate "text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/templating/runtrace"
)

// benchVariables are fifteen, as a real deployment of the default template has them.
func benchVariables() map[string]any {
	return map[string]any{
		"name": "nightly", "command": "python -m etl run --date 2026-01-01", "namespace": "jobs", "image": "registry.example.com/etl:1.2.3",
		"service_account_name": "etl", "image_pull_policy": "Always", "finished_job_ttl": int64(600), "job_watch_timeout_seconds": int64(3600),
		"pod_watch_timeout_seconds": int64(
			300), "cpu_request": "500m", "cpu_limit": "2", "memory_request": "256Mi", "memory_limit": "1Gi",
		"env":    map[string]any{"STAGE": "production", "REGION": "eu-central-1", "LOG_LEVEL": "info"},
		"labels": map[string]any{"team": "data", "cost-centre": "42"},
	}
}

func benchTemplate(b testing.TB, engine string) *templating.Template {
	b.Helper()
	source, err := os.ReadFile("../testdata/conformance/default-base-job-template.json")
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := templating.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	parsed.Engine = engine
	return parsed
}

func benchCompiled(b testing.TB, parsed *templating.Template) *templating.Compiled {
	b.Helper()
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		b.Fatal(err)
	}
	return compiled
}

func renderAndPrepare(
	b testing.TB, compiled *templating.Compiled, variables map[string]any, allowed *reference.Allowed,
) *manifest.Finished {
	rendered, err := compiled.Render(context.Background(),
		templating.Input{Layers: templating.Layers{Deployment: variables}})
	if err != nil {
		b.Fatal(err)
	}
	id := identity()
	id.Allowed = allowed
	finished, err := manifest.Build(rendered, id)
	if err != nil {
		b.Fatal(err)
	}
	return finished
}

func BenchmarkRenderAndPrepare(b *testing.B) {
	structured := benchTemplate(b, "gotemplate")
	b.Run("placeholder", func(b *testing.B) { benchmarkRender(b, benchTemplate(b, "placeholder"), nil) })
	b.Run("gotemplate", func(b *testing.B) { benchmarkRender(b, structured, nil) })
	b.Run("gotemplate-governed", func(b *testing.B) { // whose the reference is, a second rendering tells
		parsed := benchTemplate(b, "gotemplate")
		configuration, _ := parsed.JobConfiguration.(map[string]any)
		job, _ := configuration["job_manifest"].(map[string]any)
		spec, _ := job["spec"].(map[string]any)
		template, _ := spec["template"].(map[string]any)
		pod, _ := template["spec"].(map[string]any)
		pod["securityContext"] = map[string]any{"runAsNonRoot": true}
		benchmarkRender(b, parsed, &reference.Allowed{ServiceAccounts: []string{"etl"}})
	})
	b.Run("gotemplate-text", func(b *testing.B) {
		parsed := benchTemplate(b, "gotemplate")
		configuration, _ := parsed.JobConfiguration.(map[string]any)
		configuration["job_manifest"] = textSource
		benchmarkRender(b, parsed, nil)
	})
	job := renderAndPrepare(b, benchCompiled(b, structured), benchVariables(), nil).Job
	b.Run("limit-json", func(b *testing.B) {
		data, err := json.Marshal(job)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			var into batchv1.Job
			if err := json.Unmarshal(data, &into); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peer-helm", benchmarkHelm)
}

func benchmarkRender(b *testing.B, parsed *templating.Template, allowed *reference.Allowed) {
	compiled, variables := benchCompiled(b, parsed), benchVariables()
	b.ReportAllocs()
	for b.Loop() {
		renderAndPrepare(b, compiled, variables, allowed)
	}
}

// textSource is the same template as one text, as a Helm chart would have it.
const textSource = `apiVersion: batch/v1
kind: Job
metadata:
  generateName: {{ .name }}-
  namespace: {{ .namespace }}
  {{- with .labels }}
  labels: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: {{ .finished_job_ttl }}
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .service_account_name }}
      containers:
      - name: prefect-job
        image: {{ .image | quote }}
        imagePullPolicy: {{ .image_pull_policy }}
        args: [{{ range $i, $w := splitList " " .command }}{{ if $i }}, {{ end }}{{ $w | quote }}{{ end }}]
        env:
        {{- range $k, $v := .env }}
        - {name: {{ $k }}, value: {{ $v | quote }}}
        {{- end }}
        resources:
          requests: {cpu: {{ .cpu_request | quote }}, memory: {{ .memory_request }}}
          limits: {cpu: {{ .cpu_limit | quote }}, memory: {{ .memory_limit }}}
`

// helmSource makes the finished Job the Helm way: everything that a Job needs to be tracked stands in the
// text as well.
const helmSource = `
{{- define "pod.labels" -}}
berth.dev/attempt: {{ .run.attempt | quote }}
berth.dev/installation: {{ .run.installation }}
berth.dev/run-id: {{ .run.id }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- define "labels" -}}
app.kubernetes.io/component: run
app.kubernetes.io/managed-by: berth
app.kubernetes.io/name: berth-run
berth.dev/deployment: {{ .run.deployment }}
berth.dev/pool: {{ .run.pool }}
{{ include "pod.labels" . }}
{{- end -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}-{{ .run.tail }}-{{ .run.attempt }}
  namespace: {{ .namespace }}
  finalizers: [berth.dev/job-tracking]
  labels: {{- include "labels" . | nindent 4 }}
  annotations:
    berth.dev/job-container: prefect-job
    berth.dev/lease-epoch: {{ .run.epoch | quote }}
    berth.dev/queue: {{ .run.queue }}
    berth.dev/run-name: {{ .run.name | quote }}
    berth.dev/template-version: {{ .run.version | quote }}
    berth.dev/ttl: {{ .finished_job_ttl | quote }}
spec:
  backoffLimit: 0
  completions: 1
  parallelism: 1
  podFailurePolicy:
    rules:
    - action: FailJob
      onPodConditions:
      - {type: DisruptionTarget, status: "True"}
    - action: FailJob
      onExitCodes: {containerName: prefect-job, operator: NotIn, values: [0, 137, 143]}
  podReplacementPolicy: Failed
  template:
    metadata:
      labels: {{- include "pod.labels" . | nindent 8 }}
    spec:
      enableServiceLinks: false
      restartPolicy: Never
      serviceAccountName: {{ .service_account_name }}
      containers:
      - name: prefect-job
        image: {{ .image | quote }}
        imagePullPolicy: {{ .image_pull_policy }}
        args: [{{ range $i, $w := splitList " " .command }}{{ if $i }}, {{ end }}{{ $w | quote }}{{ end }}]
        env:
        - {name: BERTH_RUN_ID, value: {{ .run.id }}}
        - {name: BERTH_RUN_NAME, value: {{ .run.name | replace "$" "$$" | quote }}}
        - {name: BERTH_ATTEMPT, value: {{ .run.attempt | quote }}}
        - {name: BERTH_DEPLOYMENT, value: {{ .run.deployment }}}
        - {name: BERTH_WORK_POOL, value: {{ .run.pool }}}
        - {name: BERTH_PARAMETERS, value: {{ .run.parameters | replace "$" "$$" | quote }}}
        - {name: BERTH_SCHEDULED_TIME, value: {{ .run.scheduled | quote }}}
        - {name: BERTH_SCHEDULED_DATE, value: {{ dateInZone "2006-01-02" (toDate "2006-01-02T15:04:05Z" .run.scheduled) .run.timezone | quote }}}
        - {name: BERTH_SCHEDULED_TIMEZONE, value: {{ .run.timezone | quote }}}
        - {name: TRACEPARENT, value: {{ .run.traceparent | quote }}}
        {{- range $k, $v := .env }}
        - {name: {{ $k }}, value: {{ $v | quote }}}
        {{- end }}
        resources:
          requests: {cpu: {{ .cpu_request | quote }}, memory: {{ .memory_request }}}
          limits: {cpu: {{ .cpu_limit | quote }}, memory: {{ .memory_limit }}}
`

// helmTemplate is helmSource, parsed. Helm itself parses at every render; here that is left out, as a worker
// could.
func helmTemplate(t testing.TB) *texttemplate.Template {
	t.Helper()
	parsed := texttemplate.New("job")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(v any) (string, error) {
		data, err := yaml.Marshal(v)
		return strings.TrimSuffix(string(data), "\n"), err
	}
	functions["include"] = func(name string, data any) (string, error) {
		var out strings.Builder
		err := parsed.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	if _, err := parsed.Funcs(functions).Parse(helmSource); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// helmValues are the variables, and the run at hand.
func helmValues() map[string]any {
	id := identity()
	values := benchVariables()
	values["run"] = map[string]any{
		"id": id.RunID.String(), "tail": "33ybencwpcnl", "installation": id.Installation.String(), "name": id.RunName, "attempt": id.Attempt,
		"pool": id.Pool, "queue": id.Queue, "deployment": id.Deployment, "epoch": id.LeaseEpoch, "version": id.TemplateVersion,
		"parameters": string(id.Parameters), "scheduled": id.ScheduledTime.Format(time.RFC3339), "timezone": id.Timezone, "traceparent": runtrace.Parent(id.RunID, id.Attempt),
	}
	return values
}

// renderHelm renders the way Helm does: text/template with sprig, then strict YAML into the type.
func renderHelm(t testing.TB, parsed *texttemplate.Template, values map[string]any) *batchv1.Job {
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(out.Bytes(), &job); err != nil {
		t.Fatal(err)
	}
	return &job
}

func benchmarkHelm(b *testing.B) {
	parsed, values := helmTemplate(b), helmValues()
	b.ReportAllocs()
	for b.Loop() {
		renderHelm(b, parsed, values)
	}
}

// TestThePeerMakesTheSameJob keeps the comparison honest: what is measured beside ours must come to the same.
func TestThePeerMakesTheSameJob(t *testing.T) {
	ours := renderAndPrepare(t, benchCompiled(t, benchTemplate(t, "gotemplate")), benchVariables(), nil)
	if theirs := renderHelm(t, helmTemplate(t), helmValues()); !equality.Semantic.DeepEqual(
		ours.Job, theirs,
	) {
		t.Errorf("(-ours +theirs):\n%s", cmp.Diff(ours.Job, theirs))
	}
}
