package clustertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// withSecret is an attempt whose job container has $TOKEN from the attempt's Secret.
func (s *site) withSecret(script string) job.Attempt {
	a := s.attempt(script)
	name := a.Manifest.Name
	c := &a.Manifest.Spec.Template.Spec.Containers[0]
	c.Env = append(
		c.Env,
		corev1.EnvVar{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: "TOKEN",
		}}},
	)
	a.Secret = &job.Secret{Name: name, Data: map[string]string{"TOKEN": "xyzzy"}}
	return a
}

func (s *site) secret(name string) *corev1.Secret {
	s.t.Helper()
	secret, err := s.client.CoreV1().Secrets(s.namespace).Get(s.ctx(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func TestTheSecretOfAnAttemptIsDeletedWithItsJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.withSecret(`test "$TOKEN" = xyzzy`)
	launched := s.launch(a)
	secret := s.secret(launched.Name)
	if secret == nil || len(secret.OwnerReferences) != 1 ||
		string(secret.OwnerReferences[0].UID) != launched.UID ||
		secret.Labels["berth.dev/run-id"] != a.RunID.String() {
		t.Fatalf("secret %v, want it owned by the Job %s", secret, launched.UID)
	}
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s: the container did not get its variable", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	s.deleteJob(launched.Name, metav1.DeletePropagationBackground)
	s.eventually("the Secret is collected", func() bool { return s.secret(launched.Name) == nil })
}

func TestTheNextLaunchMakesASecretThatACrashLeftOut(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.withSecret(`test "$TOKEN" = xyzzy`)
	created := s.put(a, a.Manifest.Finalizers...) // and the worker crashed here
	launched := s.launch(a)
	if !launched.Adopted || launched.UID != string(created.UID) {
		t.Fatalf("launched %+v, want the Job adopted", launched)
	}
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestASecretOfAnEarlierJobOrOfSomeoneElseIsNotTaken(t *testing.T) {
	s := newSite(t, kube.Options{})
	stale := s.withSecret(`test "$TOKEN" = xyzzy`)
	left := &corev1.Secret{ // of an earlier Job of the same attempt, not collected yet
		ObjectMeta: metav1.ObjectMeta{Name: stale.Manifest.Name, Labels: stale.Manifest.Labels,
			OwnerReferences: []metav1.OwnerReference{
				{
					APIVersion: "batch/v1",
					Kind:       "Job",
					Name:       stale.Manifest.Name,
					UID:        types.UID("00000000-0000-0000-0000-000000000000"),
				},
			}},
		StringData: map[string]string{"TOKEN": "old"},
	}
	// The garbage collector deletes it, and the launch waits for that.
	if _, err := s.client.CoreV1().Secrets(s.namespace).Create(s.ctx(), left, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	launched := s.launch(stale)
	if end := s.ended(stale.Ref); !end.Succeeded {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(stale.Ref, launched.UID)

	taken := s.withSecret("true")
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: taken.Manifest.Name},
		StringData: map[string]string{"K": "theirs"},
	}
	if _, err := s.client.CoreV1().Secrets(s.namespace).Create(s.ctx(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.runtime.Launch(s.ctx(), taken)
	var refused *job.Refused
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "does not belong to this attempt") {
		t.Errorf("launch: %v, want it refused", err)
	}
	if there := s.secret(foreign.Name); string(there.Data["K"]) != "theirs" || len(there.Data) != 1 {
		t.Errorf("the foreign Secret was changed: %v", there.Data)
	}
}

func TestAWorkerNeedsNoPermissionForSecretsButCreate(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.stop()
	s.as("worker", append(role(), rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"},
	}))
	s.start()
	a := s.withSecret(`test "$TOKEN" = xyzzy`)
	launched := s.launch(a)
	if again := s.launch(a); again.UID != launched.UID || !again.Adopted {
		t.Errorf("launched again as %+v", again)
	}
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestAWorkerWithoutPermissionForSecretsReportsIt(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.as("worker", []rbacv1.PolicyRule{
		{
			APIGroups: []string{"batch"},
			Resources: []string{"jobs"},
			Verbs:     []string{"get", "list", "watch", "create", "patch", "delete"},
		},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch", "delete"}},
	})
	s.start()
	a := s.withSecret("true")
	ctx, cancel := context.WithTimeout(s.ctx(), 3*time.Second)
	defer cancel()
	if _, err := s.runtime.Launch(ctx, a); err == nil {
		t.Error("launched")
	}
	observed, _ := s.recorder.observation(a.Ref)
	if !strings.Contains(observed.Diagnosis, "create on secrets") {
		t.Errorf("waits as %s", show(observed))
	}
}
