package clustertest

import (
	"io"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// as gives the site's runtime the identity of a ServiceAccount with exactly these permissions.
func (s *site) as(name string, rules []rbacv1.PolicyRule) {
	s.t.Helper()
	meta := metav1.ObjectMeta{Name: name}
	account := &corev1.ServiceAccount{ObjectMeta: meta}
	if _, err := s.client.CoreV1().ServiceAccounts(s.namespace).Create(s.ctx(), account, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: rules}
	if _, err := s.client.RbacV1().Roles(s.namespace).Create(s.ctx(), role, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: s.namespace}},
	}
	if _, err := s.client.RbacV1().RoleBindings(s.namespace).Create(s.ctx(), binding, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.config.REST = rest.CopyConfig(s.config.REST)
	s.config.REST.Impersonate.UserName = "system:serviceaccount:" + s.namespace + ":" + name
}

func TestTheDocumentedRoleIsEnough(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.as("worker", []rbacv1.PolicyRule{
		{
			APIGroups: []string{"batch"},
			Resources: []string{"jobs"},
			Verbs:     []string{"get", "list", "watch", "create", "patch", "delete"},
		},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
	})
	s.start()
	noServiceAccount := func(spec map[string]any) { podSpec(spec)["serviceAccountName"] = "missing" }
	done, stuck := s.attempt("echo hello"), s.attempt("true", noServiceAccount)
	hand, orphan := s.attempt(stubborn), s.attempt(stubborn)
	launched := s.launch(done)
	s.launch(stuck)
	byHand := s.launch(hand)
	if end := s.ended(done.Ref); !end.Succeeded || end.LastLines != "hello" {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(done.Ref, launched.UID)
	s.until(stuck.Ref, "a diagnosis from an event", func(o job.Observation) bool { return o.Diagnosis != "" })
	if err := s.runtime.Cancel(s.ctx(), stuck.Ref); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(stuck.Ref); end.Category != api.CategoryCancelled {
		t.Errorf("ended as %s, want cancelled", show(end))
	}
	s.running(hand.Ref)
	s.deleteJob(byHand.Name, metav1.DeletePropagationBackground)
	if end := s.ended(hand.Ref); end.Category != api.CategoryDeleted {
		t.Errorf("ended as %s, want deleted", show(end))
	}
	created := s.create(orphan.Manifest)
	if err := s.runtime.DeleteDuplicate(s.ctx(), s.untilDiscovered(string(created.UID), false)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.runtime.Drain(s.ctx(), s.installation, false); err != nil {
		t.Fatal(err)
	}
	s.eventually("nothing is left", func() bool { return len(s.pods()) == 0 && s.job(launched.Name) == nil })
}

func TestTheDocumentedRoleForKeysIsEnough(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.as("keys", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "create", "patch"}},
	})
	for _, key := range []string{"admin", "worker"} { // the second is added to the existing Secret
		keys := map[string]func() (string, error){
			key: func() (string, error) { return "secret of " + key, nil },
		}
		if _, err := s.config.EnsureSecretKeys(s.ctx(), "", "keys", keys); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPortsOfPodsAndServicesAreForwarded(t *testing.T) {
	s := newSite(t, kube.Options{})
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64(0)), Containers: []corev1.Container{{
			Name: "web", Image: kubetest.Image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{
				"sh",
				"-c",
				"mkdir /tmp/www && echo hello >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www",
			},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		}}},
	}
	if _, err := s.client.CoreV1().Pods(s.namespace).Create(s.ctx(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{
		Selector: pod.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
	}}
	if _, err := s.client.CoreV1().Services(s.namespace).Create(s.ctx(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.eventually("the pod is ready", func() bool {
		p, err := s.client.CoreV1().Pods(s.namespace).Get(s.ctx(), "web", metav1.GetOptions{})
		return err == nil && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready
	})
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for target, port := range map[string]int{"pod/web": 8080, "service/web": 80} {
		address, stop, err := kubetest.PortForward(s.ctx(), s.config, s.namespace, target, port)
		if err != nil {
			t.Fatal(err)
		}
		s.eventually(target+" answers", func() bool {
			response, err := client.Get("http://" + address)
			if err != nil {
				return false
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return err == nil && string(body) == "hello\n"
		})
		stop()
		stop()
	}
	if _, _, err := kubetest.PortForward(s.ctx(), s.config, s.namespace, "service/none", 80); err == nil {
		t.Error("a missing service was accepted")
	}
}
