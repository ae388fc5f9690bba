package rule_test

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
	"github.com/berth-dev/berth/templating/rule"
)

// benchTemplate is the default base job template of the conformance data, before and after a change.
func benchTemplate(b *testing.B) (before, after *templating.Compiled) {
	b.Helper()
	source, err := os.ReadFile("../testdata/conformance/default-base-job-template.json")
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := templating.Parse(source)
	if err != nil {
		b.Fatal(err)
	}
	if before, err = templating.DefaultRegistry().Compile(parsed); err != nil {
		b.Fatal(err)
	}
	properties := parsed.Variables["properties"].(map[string]any)
	properties["memory_limit"].(map[string]any)["default"] = "4Gi"
	if after, err = templating.DefaultRegistry().Compile(parsed); err != nil {
		b.Fatal(err)
	}
	return before, after
}

// benchSubjects are runs of deployments that set twelve variables each.
func benchSubjects(n int) iter.Seq2[preview.Subject, error] {
	return func(yield func(preview.Subject, error) bool) {
		for i := range n {
			s := preview.Subject{Deployment: fmt.Sprint("etl-", i), Identity: manifest.SampleIdentity()}
			s.Input.Deployment = map[string]any{
				"name": "nightly", "command": fmt.Sprint("python -m etl run --shard ", i), "namespace": "jobs",
				"image": "registry.example.com/etl:1.2.3", "service_account_name": "etl", "cpu_request": "500m",
				"cpu_limit": "2", "memory_request": "256Mi", "finished_job_ttl": int64(600),
				"env":    map[string]any{"STAGE": "production", "REGION": "eu-central-1", "LOG_LEVEL": "info"},
				"labels": map[string]any{"team": "data", "cost-centre": "42"},
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// twelveRules are rules of the library.
func twelveRules(b *testing.B) []*rule.Compiled {
	b.Helper()
	set := rule.Set{Pool: "p"}
	for _, name := range []string{
		"registries-allowed", "no-latest-tag", "memory-limit", "cpu-request", "no-host-path", "no-privileged",
		"no-host-namespaces", "labels-present", "gpu-queue", "secrets-allowed", "service-accounts-allowed", "max-run-time",
	} {
		r, err := rule.Expand(rule.Rule{Name: name, From: name})
		if err != nil {
			b.Fatal(err)
		}
		set.Rules = append(set.Rules, r)
	}
	compiled, err := rule.Compile(set)
	if err != nil {
		b.Fatal(err)
	}
	return []*rule.Compiled{compiled}
}

func judge(ctx context.Context, sets []*rule.Compiled, finished *manifest.Finished) error {
	job, err := preview.Document(finished)
	if err != nil {
		return err
	}
	outcome, err := rule.Evaluate(ctx, sets, rule.Input{Job: job, Pool: "p", Queue: "default", WorkerAddsEnv: true})
	if err == nil && len(outcome.Denials)+len(outcome.Undecided) == 12 {
		return fmt.Errorf("no rule is satisfied: %+v", outcome.Denials)
	}
	return err
}

// BenchmarkRulesOnJob is what twelve rules take on a finished Job, beside rendering and building it.
func BenchmarkRulesOnJob(b *testing.B) {
	before, _ := benchTemplate(b)
	sets := twelveRules(b)
	var subject preview.Subject
	for s := range benchSubjects(1) {
		subject = s
	}
	finished, _, err := preview.Job(b.Context(), before, subject)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("12", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := judge(b.Context(), sets, finished); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("limit-render", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := preview.Job(b.Context(), before, subject); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkImpactOn10000 is a change of the template on 10,000 deployments that each change, with and without
// twelve rules, on one core.
func BenchmarkImpactOn10000(b *testing.B) {
	before, after := benchTemplate(b)
	sets := twelveRules(b)
	for name, check := range map[string]func(context.Context, preview.Subject, *manifest.Finished) error{
		"limit-none": nil,
		"rules-12": func(ctx context.Context, _ preview.Subject, finished *manifest.Finished) error {
			return judge(ctx, sets, finished)
		},
	} {
		b.Run(name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one core, with all that the collector does
			comparison := preview.Comparison{Before: before, After: after, Check: check}
			for b.Loop() {
				sum, err := comparison.Run(b.Context(), benchSubjects(10_000), func(preview.Outcome) error { return nil })
				if err != nil || sum.Deployments != 10_000 || sum.Broken != 0 {
					b.Fatal(sum, err)
				}
			}
		})
	}
}
