package clustertest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// shortTiming has the access to a namespace lost within a moment.
var shortTiming = kube.Timing{Probe: 200 * time.Millisecond, LoseAccess: time.Second}

// role is what a worker needs, without some resources.
func role(without ...string) []rbacv1.PolicyRule {
	all := []rbacv1.PolicyRule{
		{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get"}},
	}
	var kept []rbacv1.PolicyRule
	for _, rule := range all {
		if !slices.Contains(without, rule.Resources[0]) {
			kept = append(kept, rule)
		}
	}
	return kept
}

// access is what the runtime says of its access, once it says that something is lost, or nothing is.
func (s *site) access(lost bool) job.Access {
	s.t.Helper()
	var access job.Access
	s.eventually("a change of the access", func() bool {
		s.recorder.mu.Lock()
		defer s.recorder.mu.Unlock()
		access = s.recorder.access
		return (access.Err != nil) == lost
	})
	return access
}

func TestAWorkerWhoseRoleBindingIsDeletedGoesOnWhenItIsBack(t *testing.T) {
	s := newSite(t, kube.Options{Timing: shortTiming})
	s.stop()
	s.as("worker", role())
	s.start()
	before := s.attempt("sleep 5; exit 4")
	launched := s.launch(before)

	bindings := s.client.RbacV1().RoleBindings(s.namespace)
	binding, err := bindings.Get(s.ctx(), "worker", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bindings.Delete(s.ctx(), "worker", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	access := s.access(true)
	if !strings.Contains(access.Err.Error(), "grant the worker's ServiceAccount the Role it needs") {
		t.Errorf("the access is lost for %v", access.Err)
	}
	var declined *job.Declined
	if _, err := s.runtime.Launch(s.ctx(), s.attempt("true")); !errors.As(err, &declined) {
		t.Errorf("launch: %v, want it declined", err)
	}
	if s.runtime.Unobserved(before.Ref) == 0 {
		t.Error("the attempt counts as observed")
	}

	binding.ResourceVersion = ""
	if _, err := bindings.Create(s.ctx(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.access(false)
	if end := s.ended(before.Ref); end.Category != "app" || *end.ExitCode != 4 {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(before.Ref, launched.UID)
	after := s.attempt("true")
	launched = s.launch(after)
	s.ended(after.Ref)
	s.finalize(after.Ref, launched.UID)
}

func TestAProxysPageNeverEndsAnAttempt(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusConflict} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			s := newSite(t, kube.Options{Timing: shortTiming})
			s.stop()
			proxy := newPage(t, s.config.REST, status)
			s.config.REST = proxy.config
			s.start()
			running := s.attempt("sleep 6; exit 5")
			launched := s.launch(running)
			s.running(running.Ref)

			proxy.broken.Store(true)
			access := s.access(true)
			if !strings.Contains(access.Err.Error(), "a proxy or load balancer answers") {
				t.Errorf("the access is lost for %v", access.Err)
			}
			var declined *job.Declined
			if _, err := s.runtime.Launch(s.ctx(), s.attempt("true")); !errors.As(err, &declined) {
				t.Errorf("launch: %v, want it declined", err)
			}
			if last, _ := s.recorder.observation(running.Ref); last.Phase == job.Ended {
				t.Errorf("ended as %s", show(last))
			}
			proxy.broken.Store(false)
			if end := s.ended(running.Ref); end.Category != "app" || *end.ExitCode != 5 {
				t.Errorf("ended as %s", show(end))
			}
			s.finalize(running.Ref, launched.UID)
		})
	}
}

func TestTheEndIsToldWhileLogsHang(t *testing.T) {
	s := newSite(t, kube.Options{Timing: kube.Timing{Output: time.Second}})
	var hanging atomic.Int32
	s.startBehind(&faulty{before: func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/log") {
			hanging.Add(1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return nil, nil
	}})
	// More than are reconciled at once.
	var attempts []job.Attempt
	for range 20 {
		a := s.attempt("echo some output")
		a.StreamOutput = false
		s.launch(a)
		attempts = append(attempts, a)
	}
	for _, a := range attempts {
		s.eventually("the end", func() bool {
			s.recorder.mu.Lock()
			defer s.recorder.mu.Unlock()
			end, told := s.recorder.ends[a.Ref]
			return told && end.Succeeded
		})
	}
	if hanging.Load() == 0 {
		t.Error("the test proves nothing: no log was read")
	}
}

func TestAWorkerThatMayNotReadLogsSaysSoInTheOutput(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.stop()
	s.as("worker", role("pods/log"))
	s.start()
	a := s.attempt("echo unseen; exit 3")
	launched := s.launch(a)
	if end := s.ended(a.Ref); end.Category != "app" || *end.ExitCode != 3 {
		t.Errorf("ended as %s", show(end))
	}
	s.untilOutput(a.Ref, "the reason", func(text string) bool {
		return strings.Contains(text, "needs get on pods/log in namespace "+s.namespace)
	})
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); strings.Count(text, "[berth]") != 1 {
		t.Errorf("output %q", text)
	}
}
