package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/manifesttest"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// verdicts are what Berth and the API server say of a Job; empty is nothing against it.
type verdicts struct{ berth, server string }

// TestWhatLintPassesTheAPIServerTakes makes a few hundred mistakes, one field each. What Berth's checks pass, the API server
// must take; what they refuse, it must refuse. The documentation names the differences (docs/template-language.md).
func TestWhatLintPassesTheAPIServerTakes(t *testing.T) {
	config := kubetest.Cluster(t)
	client, namespace := kubetest.Client(t, config), kubetest.Namespace(t, config)
	var mistakes []manifesttest.Mistake
	for i, source := range manifesttest.RichJobs() {
		job := richJob(t, source)
		if _, refusal, err := finish(job, namespace); refusal != "" || err != nil {
			t.Fatalf("Job %d is not right: %s %v", i, refusal, err)
		}
		for _, m := range manifesttest.Mistakes(job) {
			mistakes = append(mistakes, manifesttest.Mistake{Name: fmt.Sprintf("%d %s", i, m.Name), Job: m.Job})
		}
	}
	if len(mistakes) < 500 {
		t.Fatalf("only %d mistakes", len(mistakes))
	}

	post := func(body []byte) string {
		err := client.BatchV1().RESTClient().Post().Namespace(namespace).Resource("jobs").
			VersionedParams(&metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: "Strict"},
				metav1.ParameterCodec).
			Body(body).SetHeader("Content-Type", "application/json").Do(t.Context()).Error()
		if err != nil {
			return err.Error()
		}
		return ""
	}
	var lock sync.Mutex
	var group errgroup.Group
	group.SetLimit(4)
	unlike := map[string]verdicts{}
	for _, m := range mistakes {
		group.Go(func() error {
			finished, refusal, err := finish(m.Job, namespace)
			if err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			body, err := json.Marshal(finished)
			if refusal != "" {
				body, err = json.Marshal(asItIs(m.Job))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			v := verdicts{berth: refusal, server: post(body)}
			if (v.berth == "") != (v.server == "") {
				lock.Lock()
				defer lock.Unlock()
				unlike[m.Name] = v
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	named := namedDifferences()
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(unlike)) {
		if d := nameOf(named, name, unlike[name]); d != "" {
			used[d] = true
			continue
		}
		t.Errorf("%s:\n  Berth: %.200s\n  API server: %.300s", name, orTakes(unlike[name].berth), orTakes(unlike[name].server))
	}
	for place := range named {
		if !used[place] {
			t.Errorf("there is no difference %q any more: take it off the list and out of the documentation", place)
		}
	}
	t.Logf("%d mistakes, %d differences, all named", len(mistakes), len(unlike))
}

func orTakes(refusal string) string {
	if refusal == "" {
		return "takes it"
	}
	return refusal
}

// namedDifferences are what Berth refuses and an API server takes, by the beginning of the mistake's name, and the words
// of the documentation about it. There is nothing that Berth passes and an API server refuses.
func namedDifferences() map[string]string {
	const (
		job     = "`apiVersion` and `kind` that are there and empty"
		ends    = "`completions: 0`, `parallelism: 0`, `activeDeadlineSeconds: 0`, a negative `terminationGracePeriodSeconds`"
		indexed = "several `completions` without `completionMode: Indexed`"
		secrets = "names of `imagePullSecrets`"
		keys    = "a `topologyKey` that no label can have"
		root    = "`runAsUser: 0` with `runAsNonRoot: true`"
		source  = "a `projected` source that is empty"
		gt      = "`Gt` and `Lt` without an integer"
		medium  = "an `emptyDir` medium that no kubelet knows"
		image   = "a volume without a valid name whose source the cluster does not have"
	)
	return map[string]string{
		"0 apiVersion: empty": job, "0 kind: empty": job, "1 apiVersion: empty": job, "1 kind: empty": job,
		"0 spec.activeDeadlineSeconds: zero": ends, "0 spec.completions: zero": ends, "0 spec.parallelism: zero": ends,
		"0 spec.template.spec.terminationGracePeriodSeconds: negative":                                             ends,
		"0 spec.completionMode: removed":                                                                           indexed,
		"0 spec.template.spec.imagePullSecrets.0.name: ":                                                           secrets,
		"0 spec.template.spec.topologySpreadConstraints.0.topologyKey: ":                                           keys,
		"0 spec.template.spec.securityContext.runAsUser: zero":                                                     root,
		"0 spec.template.spec.volumes.5.projected.sources":                                                         source,
		"1 spec.template.spec.volumes.4.projected.sources":                                                         source,
		"1 spec.template.spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.preference.": gt,
		"1 spec.template.spec.volumes.3.emptyDir.medium: ":                                                         medium,
		"1 spec.template.spec.volumes.5.name: ":                                                                    image,
	}
}

// nameOf is the entry of a difference; empty for one that Berth passes.
func nameOf(named map[string]string, name string, v verdicts) string {
	if v.berth == "" {
		return ""
	}
	for part := range named {
		if strings.HasPrefix(name, part) {
			return part
		}
	}
	return ""
}

// TestTheDocumentationNamesTheDifferences needs no cluster.
func TestTheDocumentationNamesTheDifferences(t *testing.T) {
	text, err := os.ReadFile("../../../docs/template-language.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	for part, want := range namedDifferences() {
		if !strings.Contains(words, want) {
			t.Errorf("docs/template-language.md does not have %q, about %s", want, part)
		}
	}
}

func richJob(t *testing.T, source string) map[string]any {
	t.Helper()
	parsed, err := templating.Parse([]byte("job_configuration:\n  job_manifest: " +
		strings.ReplaceAll(source, "\n", "\n    ")))
	if err != nil {
		t.Fatal(err)
	}
	configuration, _ := parsed.JobConfiguration.(map[string]any)
	job, ok := configuration["job_manifest"].(map[string]any)
	if !ok {
		t.Fatal("the Job is not an object")
	}
	return job
}

// finish makes the Job as a worker does, and says what Berth refuses.
func finish(job map[string]any, namespace string) (*batchv1.Job, string, error) {
	compiled, err := templating.DefaultRegistry().Compile(&templating.Template{
		JobConfiguration: map[string]any{"job_manifest": job},
	})
	if err != nil {
		return nil, err.Error(), nil
	}
	rendered, err := compiled.Render(context.Background(), templating.Input{})
	if err != nil {
		return nil, err.Error(), nil
	}
	id := manifest.SampleIdentity()
	id.Namespace = namespace
	finished, err := manifest.Build(rendered, id)
	if err != nil {
		return nil, err.Error(), nil
	}
	return finished.Job, "", nil
}

// asItIs is what kubectl would send.
func asItIs(job map[string]any) map[string]any {
	sent := maps.Clone(job)
	metadata, ok := sent["metadata"].(map[string]any)
	if _, there := sent["metadata"]; there && !ok {
		return sent
	}
	named := maps.Clone(metadata)
	if named == nil {
		named = map[string]any{}
	}
	named["name"] = "mistake"
	sent["metadata"] = named
	return sent
}
