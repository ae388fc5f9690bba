package clustertest

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating/manifest/manifesttest"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// stricter are rules without a check in the API server: it accepts the Job, and no pod of it ever runs.
var stricter = map[string]string{
	"a user that cannot be":                 "the kubelet refuses the container",
	"the same of the pod":                   "the kubelet refuses the container",
	"Gt of words":                           "no node ever matches",
	"a restart policy of an init container": "there is no such policy",
	"a memory medium that is none":          "the kubelet does not know the medium",
}

// TestStricterRulesExist needs no cluster: a renamed rule shows before a run on one.
func TestStricterRulesExist(t *testing.T) {
	names := map[string]bool{}
	for _, rule := range manifesttest.Rules() {
		names[rule.Name] = true
	}
	for name := range stricter {
		if !names[name] {
			t.Errorf("there is no manifest rule %q", name)
		}
	}
}

// TestManifestRulesAreThoseOfTheAPIServer submits the same Jobs to the API server as dry runs.
func TestManifestRulesAreThoseOfTheAPIServer(t *testing.T) {
	config := kubetest.Cluster(t)
	client, namespace := kubetest.Client(t, config), kubetest.Namespace(t, config)
	submit := func(t *testing.T, source string) error {
		t.Helper()
		var j batchv1.Job
		if err := yaml.UnmarshalStrict([]byte(source), &j); err != nil {
			t.Fatal(err)
		}
		// What manifest.Build adds.
		j.Name = "rule"
		j.Spec.BackoffLimit = ptr.To[int32](0)
		pod := &j.Spec.Template.Spec
		if pod.RestartPolicy == "" {
			pod.RestartPolicy = corev1.RestartPolicyNever
		}
		dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		_, err := client.BatchV1().Jobs(namespace).Create(t.Context(), &j, dryRun)
		return err
	}
	for _, rule := range manifesttest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			err := submit(t, rule.Job())
			if _, taken := stricter[rule.Name]; taken {
				if err != nil {
					t.Errorf("the API server rejects it too now: %v", err)
				}
				return
			}
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				t.Errorf("the API server does not reject it: %v", err)
			}
		})
	}
	for name, pod := range manifesttest.Taken() {
		if err := submit(t, manifesttest.Job("", pod)); err != nil {
			t.Errorf("%s: the API server rejects it: %v", name, err)
		}
	}
}
