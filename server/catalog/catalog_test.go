package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func newCatalog() *Catalog { return New(templating.DefaultRegistry()) }

func TestTheDefaultTemplatesLintClean(t *testing.T) {
	for _, kind := range []string{"kubernetes", "process"} {
		doc, err := newCatalog().Default(kind)
		if err != nil {
			t.Fatal(err)
		}
		report := newCatalog().Lint(doc.Document)
		for _, finding := range append(report.Errors, report.Warnings...) {
			// A process has no limits that a template could set.
			if finding.Code != nil && *finding.Code == templating.CodeReference {
				continue // the pool's list says what service_account_name and its like may name
			}
			if kind != "process" || !strings.HasSuffix(finding.Pointer, "/limits/memory") {
				t.Errorf("%s: %s: %s", kind, finding.Pointer, finding.Message)
			}
		}
		if len(report.Placeholders) == 0 {
			t.Errorf("%s refers to nothing", kind)
		}
	}
	if _, err := newCatalog().Default("docker"); err == nil {
		t.Error("there is a default template for a type that does not exist")
	}
}

func TestCheckRefusesWithThePlace(t *testing.T) {
	_, err := newCatalog().Check([]byte(`{"job_configuration":{"a":"{{ nothing }}","b":"{{ berth.variables.x }}"}}`))
	var refusal *problem.Error
	if !errors.As(err, &refusal) || refusal.Code != problem.TemplateInvalid ||
		refusal.Findings[0].Pointer != "/job_configuration/a" {
		t.Errorf("got %v", err)
	}
}

func TestAVersionIsCompiledOnce(t *testing.T) {
	l := newCatalog()
	doc, err := l.Default("process")
	if err != nil {
		t.Fatal(err)
	}
	version := &store.TemplateVersion{ID: uuid.New(), Pool: "p", Version: 3, Document: doc.Document}
	first, err := l.Compiled(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.Compiled(t.Context(), version); err != nil || again != first {
		t.Errorf("compiled again: %v", err)
	}
	broken := &store.TemplateVersion{
		ID: uuid.New(), Pool: "p", Version: 4,
		Document: []byte(`{"job_configuration":{"a":"{{ nothing }}"}}`),
	}
	var refusal *problem.Error
	if _, err := l.Compiled(t.Context(), broken); !errors.As(err, &refusal) ||
		refusal.Code != problem.TemplateInvalid {
		t.Errorf("got %v", err)
	}
}

// TestTheDefaultTemplateForKubernetesMakesARestrictedPod builds the Job that a run with every variable set
// would be.
func TestTheDefaultTemplateForKubernetesMakesARestrictedPod(t *testing.T) {
	l := newCatalog()
	doc, err := l.Default("kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := l.Compiled(t.Context(), &store.TemplateVersion{ID: uuid.New(), Document: doc.Document})
	if err != nil {
		t.Fatal(err)
	}
	given, err := templating.DecodeJSON([]byte(`{
		"image": "ghcr.io/example/etl:1", "command": ["etl"], "args": ["--fast"], "env": {"A": "1"}, "working_dir": "/data", "namespace": "jobs",
		"cpu_request": "1", "cpu_limit": "2", "memory_request": "1Gi", "memory_limit": "2Gi", "service_account_name": "etl",
		"image_pull_policy": "Always", "image_pull_secrets": [{"name": "registry"}], "node_selector": {"disk": "ssd"},
		"tolerations": [{"key": "gpu", "operator": "Exists"}], "labels": {"team": "data"}, "annotations": {"a": "b"}, "run_as_user": 1000,
		"termination_grace_period_seconds": 5, "ttl_seconds_after_finished": 60}`))
	if err != nil {
		t.Fatal(err)
	}
	object, _ := given.(map[string]any)
	for name, variables := range map[string]map[string]any{"with its defaults": {}, "with everything": object} {
		layers := templating.Layers{Deployment: variables}
		if warnings, err := compiled.ValidateRun(layers, nil); err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v %v", name, warnings, err)
		}
		rendered, err := compiled.Render(t.Context(), templating.Input{Layers: layers})
		if err != nil {
			t.Fatal(err)
		}
		finished, err := manifest.Build(rendered,
			manifest.Identity{RunID: uuid.New(), RunName: "r", Attempt: 1, Namespace: "default"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pod := finished.Job.Spec.Template.Spec
		own, container := pod.SecurityContext, pod.Containers[0]
		if own == nil || !*own.RunAsNonRoot || own.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
			*container.SecurityContext.AllowPrivilegeEscalation ||
			container.SecurityContext.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: not restricted: %+v %+v", name, own, container.SecurityContext)
		}
		wantsToken := len(variables) > 0
		if *pod.AutomountServiceAccountToken != wantsToken {
			t.Errorf("%s: the token is mounted: %t", name, !wantsToken)
		}
		if len(variables) == 0 {
			continue
		}
		if finished.Job.Namespace != "jobs" || container.Image != "ghcr.io/example/etl:1" || container.Command[0] != "etl" || container.Args[0] != "--fast" ||
			container.WorkingDir != "/data" || container.Resources.Limits.Memory().String() != "2Gi" || pod.ImagePullSecrets[0].Name != "registry" ||
			pod.NodeSelector["disk"] != "ssd" || pod.Tolerations[0].Key != "gpu" || *own.RunAsUser != 1000 || pod.ServiceAccountName != "etl" ||
			finished.Job.Labels["team"] != "data" ||
			finished.Job.Annotations["a"] != "b" {
			t.Errorf("got %+v", finished.Job)
		}
	}
}
