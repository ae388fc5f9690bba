package preview_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
)

// BenchmarkImpactOn10000 is one change of the default template, on 10,000 deployments that each set fifteen
// variables. Half of them are changed, a hundred are shown in detail.
func BenchmarkImpactOn10000(b *testing.B) {
	source, err := os.ReadFile("../testdata/conformance/default-base-job-template.json")
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := templating.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	before, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		b.Fatal(err)
	}
	properties := parsed.Variables["properties"].(map[string]any)
	properties["memory_limit"].(map[string]any)["default"] = "4Gi"
	after, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		b.Fatal(err)
	}
	c := preview.Comparison{Before: before, After: after, Details: 100}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one core, with all that the collector does
	b.ReportAllocs()
	for b.Loop() {
		sum, err := c.Run(context.Background(), benchSubjects(10_000),
			func(preview.Outcome) error { return nil })
		if err != nil || sum.Changed != 5_000 || sum.Unchanged != 5_000 {
			b.Fatal(sum, err)
		}
	}
}

func benchSubjects(n int) iter.Seq2[preview.Subject, error] {
	return func(yield func(preview.Subject, error) bool) {
		for i := range n {
			values := map[string]any{
				"name": "nightly", "command": fmt.Sprint("python -m etl run --shard ", i), "namespace": "jobs", "image": "registry.example.com/etl:1.2.3",
				"service_account_name": "etl", "image_pull_policy": "Always", "finished_job_ttl": int64(600), "job_watch_timeout_seconds": int64(3600),
				"pod_watch_timeout_seconds": int64(
					300), "cpu_request": "500m", "cpu_limit": "2", "memory_request": "256Mi",
				"env": map[string]any{
					"STAGE": "production", "REGION": "eu-central-1", "LOG_LEVEL": "info",
				},
				"labels": map[string]any{"team": "data", "cost-centre": "42"},
			}
			if i%2 == 0 {
				values["memory_limit"] = "1Gi"
			}
			s := preview.Subject{Deployment: fmt.Sprint("etl-", i), Identity: manifest.SampleIdentity()}
			s.Input.Deployment = values
			if !yield(s, nil) {
				return
			}
		}
	}
}
