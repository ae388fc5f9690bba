package manifest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/Masterminds/sprig/v3"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// benchVariables are fifteen, as a real deployment of the default template has them.
func benchVariables() map[string]any {
	return map[string]any{
		"name": "nightly", "command": "python -m etl run --date 2026-01-01", "namespace": "jobs", "image": "registry.example.com/etl:1.2.3",
		"service_account_name": "etl", "image_pull_policy": "Always", "finished_job_ttl": int64(600), "job_watch_timeout_seconds": int64(3600),
		"pod_watch_timeout_seconds": int64(300), "cpu_request": "500m", "cpu_limit": "2", "memory_request": "256Mi", "memory_limit": "1Gi",
		"env":    map[string]any{"STAGE": "production", "REGION": "eu-central-1", "LOG_LEVEL": "info"},
		"labels": map[string]any{"team": "data", "cost-centre": "42"},
	}
}

func benchTemplate(b *testing.B, engine string) *templating.Template {
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

func benchCompiled(b *testing.B, parsed *templating.Template) *templating.Compiled {
	b.Helper()
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		b.Fatal(err)
	}
	return compiled
}

func renderAndPrepare(b *testing.B, compiled *templating.Compiled) *manifest.Finished {
	rendered, err := compiled.Render(context.Background(), templating.Input{Layers: templating.Layers{Deployment: benchVariables()}})
	if err != nil {
		b.Fatal(err)
	}
	finished, err := manifest.Build(rendered, identity())
	if err != nil {
		b.Fatal(err)
	}
	return finished
}

func BenchmarkRenderAndPrepare(b *testing.B) {
	structured := benchTemplate(b, "gotemplate")
	b.Run("placeholder", func(b *testing.B) { benchmarkRender(b, benchTemplate(b, "placeholder")) })
	b.Run("gotemplate", func(b *testing.B) { benchmarkRender(b, structured) })
	b.Run("gotemplate-text", func(b *testing.B) {
		parsed := benchTemplate(b, "gotemplate")
		configuration, _ := parsed.JobConfiguration.(map[string]any)
		configuration["job_manifest"] = helmSource
		benchmarkRender(b, parsed)
	})
	job := renderAndPrepare(b, benchCompiled(b, structured)).Job
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

func benchmarkRender(b *testing.B, parsed *templating.Template) {
	compiled := benchCompiled(b, parsed)
	b.ReportAllocs()
	for b.Loop() {
		renderAndPrepare(b, compiled)
	}
}

// helmSource is the same Job as text, written as a Helm chart would.
const helmSource = `apiVersion: batch/v1
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

// benchmarkHelm renders the way Helm does: text/template with sprig, then strict YAML into the type.
func benchmarkHelm(b *testing.B) {
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(v any) (string, error) {
		data, err := yaml.Marshal(v)
		return strings.TrimSuffix(string(data), "\n"), err
	}
	parsed, err := texttemplate.New("job").Funcs(functions).Parse(helmSource)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		if err := parsed.Execute(&out, benchVariables()); err != nil {
			b.Fatal(err)
		}
		var job batchv1.Job
		if err := yaml.UnmarshalStrict(out.Bytes(), &job); err != nil {
			b.Fatal(err)
		}
	}
}
