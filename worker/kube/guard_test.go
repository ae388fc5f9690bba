package kube

import (
	"errors"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

func TestAJobThatReachesTheInstallationIsRefusedBeforeItIsCreated(t *testing.T) {
	secretEnv := []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "berth-keys"}, Key: "admin",
		},
	}}}
	tests := map[string]struct {
		namespace string
		env       []corev1.EnvVar
		share     bool
		forbidden bool
		refused   bool
	}{
		"a Job without references":                          {namespace: "jobs"},
		"a protected Secret":                                {namespace: "jobs", env: secretEnv, refused: true},
		"a protected Secret where the namespace is shared":  {namespace: "berth", env: secretEnv, share: true, refused: true},
		"a namespace with the label of an installation":     {namespace: "berth", refused: true},
		"the same where sharing has been asked for":         {namespace: "berth", share: true},
		"a protected Secret where the labels are not shown": {namespace: "jobs", env: secretEnv, forbidden: true, refused: true},
		"a Job without references where they are not shown": {namespace: "jobs", forbidden: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := fake.NewClientset(
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
					Name: "berth", Labels: map[string]string{LabelNamespace: NamespaceSystem},
				}},
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "jobs"}},
			)
			if test.forbidden {
				api.PrependReactor("get", "namespaces", func(k8stesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "jobs", nil)
				})
			}
			protected, err := reference.ParseProtected([]string{"secret/berth-keys"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := newRuntime(cluster.Config{Namespace: "jobs"}, Options{
				Namespaces: []string{"jobs", "berth"}, Protected: protected, ShareNamespace: test.share,
			}, api)
			if err != nil {
				t.Fatal(err)
			}
			err = r.guard.check(t.Context(), r, &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: "a-abcdefghijkl-1", Namespace: test.namespace},
				Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "job", Env: test.env}},
				}}},
			})
			var refused *job.Refused
			if errors.As(err, &refused) != test.refused || err != nil && refused == nil {
				t.Errorf("error is %v, want a refusal: %v", err, test.refused)
			}
		})
	}
}
