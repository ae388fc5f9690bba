package kube_test

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

// stricter are the rules that are checked before the API server would: it takes the Job, and no pod of it
// ever runs.
var stricter = map[string]string{
	"a user that can not be":                "the kubelet refuses the container",
	"the same of the pod":                   "the kubelet refuses the container",
	"Gt of words":                           "no node ever matches",
	"a restart policy of an init container": "there is no such policy",
}

// TestTheRulesThatNeedNoServerAreThoseOfTheServer has the API server judge the same Jobs, without keeping
// any.
func TestTheRulesThatNeedNoServerAreThoseOfTheServer(t *testing.T) {
	config := kubetest.Cluster(t)
	client, namespace := kubetest.Client(t, config), kubetest.Namespace(t, config)
	judge := func(t *testing.T, source string) error {
		t.Helper()
		var made batchv1.Job
		if err := yaml.UnmarshalStrict([]byte(source), &made); err != nil {
			t.Fatal(err)
		}
		// What the finished Job has as well.
		made.Name = "rule"
		made.Spec.BackoffLimit = ptr.To[int32](0)
		pod := &made.Spec.Template.Spec
		if pod.RestartPolicy == "" {
			pod.RestartPolicy = corev1.RestartPolicyNever
		}
		_, err := client.BatchV1().Jobs(namespace).Create(t.Context(), &made, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	for _, rule := range manifesttest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			err := judge(t, rule.Job())
			if _, taken := stricter[rule.Name]; taken {
				if err != nil {
					t.Errorf("the API server refuses it as well by now: %v", err)
				}
				return
			}
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
				t.Errorf("the API server does not refuse it: %v", err)
			}
		})
	}
	for name, pod := range manifesttest.Taken() {
		if err := judge(t, manifesttest.Job("", pod)); err != nil {
			t.Errorf("%s: the API server refuses it: %v", name, err)
		}
	}
}
