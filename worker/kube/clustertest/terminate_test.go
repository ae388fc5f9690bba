package clustertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

const stubborn = `trap "" TERM; echo up; while true; do sleep 1; done`

func TestCancelEndsAProcessThatIgnoresSIGTERM(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(stubborn)
	launched := s.launch(a)
	s.running(a.Ref)
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	end := s.ended(a.Ref)
	if end.Category != api.CategoryCancelled || end.Succeeded {
		t.Errorf("ended as %s, want cancelled", show(end))
	}
	if pods := s.pods(); slices.ContainsFunc(
		pods, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning },
	) {
		t.Error("cancelled was reported while a pod ran")
	}
	if j := s.job(launched.Name); j == nil || !slices.Contains(j.Finalizers, manifest.Finalizer) {
		t.Error("the Job was gone before the outcome was recorded")
	}
	s.finalize(a.Ref, launched.UID)
	s.eventually("the Job is gone", func() bool { return s.job(launched.Name) == nil })
}

func TestACancelledProcessThatExitsWith0IsCancelled(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(`trap "exit 0" TERM; echo up; while true; do sleep 0.1; done`)
	launched := s.launch(a)
	s.untilOutput(a.Ref, "its first line", func(text string) bool { return text == "up\n" })
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryCancelled || end.LastLines != "up" {
		t.Errorf("ended as %s, want cancelled with the last lines", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestCancelOfAnEndedAttemptKeepsItsOutcome(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("exit 4")
	launched := s.launch(a)
	s.ended(a.Ref)
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	s.finalize(a.Ref, launched.UID)
	if end, _ := s.recorder.observation(a.Ref); end.Category != api.CategoryApp || *end.ExitCode != 4 {
		t.Errorf("ended as %s, want exit code 4", show(end))
	}
	if j := s.job(launched.Name); j == nil || j.DeletionTimestamp != nil {
		t.Error("the Job was deleted although it had ended")
	}
}

func TestCancelOfAPendingAttemptEndsIt(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true",
		func(spec map[string]any) { podSpec(spec)["nodeSelector"] = map[string]any{"no": "such-node"} })
	launched := s.launch(a)
	observed := s.until(a.Ref, "a diagnosis", func(o job.Observation) bool { return o.Diagnosis != "" })
	if observed.Phase != job.Pending ||
		!strings.Contains(observed.Diagnosis, "none matches its node selector or affinity") {
		t.Errorf("waits as %s", show(observed))
	}
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryCancelled || end.RunningSince != nil {
		t.Errorf("ended as %s, want cancelled, never run", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestAJobDeletedExternallyEndsAsDeleted(t *testing.T) {
	for name, policy := range map[string]metav1.DeletionPropagation{
		"in the background": metav1.DeletePropagationBackground,
		"in the foreground": metav1.DeletePropagationForeground,
		"orphaning its pod": metav1.DeletePropagationOrphan,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			a := s.attempt(stubborn)
			launched := s.launch(a)
			s.running(a.Ref)
			s.deleteJob(launched.Name, policy)
			end := s.ended(a.Ref)
			if end.Category != api.CategoryDeleted || end.Succeeded || end.LastLines != "up" {
				t.Errorf("ended as %s, want deleted with the last lines", show(end))
			}
			s.eventually("no pod is left", func() bool {
				return !slices.ContainsFunc(s.pods(),
					func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
			})
			s.finalize(a.Ref, launched.UID)
			s.eventually("the Job is gone", func() bool { return s.job(launched.Name) == nil })
		})
	}
}

func TestAFinishedJobDeletedExternallyKeepsItsOutcome(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("exit 5")
	launched := s.launch(a)
	s.eventually("the Job has failed",
		func() bool { j := s.job(launched.Name); return len(j.Status.Conditions) > 1 })
	s.deleteJob(launched.Name, metav1.DeletePropagationBackground)
	if end := s.ended(a.Ref); end.Category != api.CategoryApp || *end.ExitCode != 5 {
		t.Errorf("ended as %s, want exit code 5", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestAnEvictedPodEndsAsEvicted(t *testing.T) {
	for name, script := range map[string]string{
		"killed":       stubborn,
		"exits with 0": `trap "exit 0" TERM; echo up; while true; do sleep 0.1; done`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			a := s.attempt(script)
			launched := s.launch(a)
			s.untilOutput(a.Ref, "its first line", func(text string) bool { return text == "up\n" })
			s.evict()
			end := s.ended(a.Ref)
			if end.Category != api.CategoryEvicted || end.Succeeded ||
				!strings.Contains(end.Message, "EvictionByEvictionAPI") {
				t.Errorf("ended as %s, want evicted", show(end))
			}
			s.finalize(a.Ref, launched.UID)
		})
	}
}

func (s *site) evict() {
	s.t.Helper()
	pod := s.pods()[0]
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}
	if err := s.client.CoreV1().Pods(pod.Namespace).EvictV1(s.ctx(), eviction); err != nil {
		s.t.Fatalf("evict: %v", err)
	}
}

func TestAnEvictionWithoutARunningWorkerIsReadFromTheJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	stop := s.start()
	a := s.attempt(stubborn)
	launched := s.launch(a)
	s.running(a.Ref)
	stop()
	s.evict()
	s.eventually("the Job has failed and its pod is gone", func() bool {
		return s.job(launched.Name).Status.Failed == 1 && len(s.pods()) == 0
	})
	s.start()
	if err := s.runtime.Adopt(s.ctx(), a); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryEvicted {
		t.Errorf("ended as %s, want evicted", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestAPodDeletedExternallyEndsAsDeleted(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(stubborn)
	launched := s.launch(a)
	s.running(a.Ref)
	if err := s.client.CoreV1().Pods(s.namespace).Delete(s.ctx(), s.pods()[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryDeleted {
		t.Errorf("ended as %s, want deleted", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestContainersThatRunOnAfterTheJobContainerAreStopped(t *testing.T) {
	s := newSite(t, kube.Options{Timing: kube.Timing{Lingering: time.Second}})
	a := s.attempt("echo done; exit 7", func(spec map[string]any) {
		main := mainContainer(spec)
		podSpec(spec)["containers"] = []any{
			main,
			map[string]any{"name": "proxy", "image": main["image"], "command": []any{"sleep", "600"}},
		}
	})
	launched := s.launch(a)
	end := s.ended(a.Ref)
	if end.Category != api.CategoryApp || end.ExitCode == nil || *end.ExitCode != 7 ||
		end.LastLines != "done" {
		t.Errorf("ended as %s, want exit code 7", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	s.eventually("no pod is left", func() bool { return len(s.pods()) == 0 })
}

func TestAnImageThatDoesNotExistIsDiagnosedAndEndsAtItsDeadline(t *testing.T) {
	s := newSite(t, kube.Options{Deadlines: kube.Deadlines{ImagePull: 6 * time.Second}})
	a := s.attempt("true", func(spec map[string]any) {
		mainContainer(spec)["image"] = "registry.invalid/no/such:image"
	})
	launched := s.launch(a)
	observed := s.until(a.Ref, "a diagnosis", func(o job.Observation) bool { return o.Diagnosis != "" })
	if observed.Phase != job.Pending ||
		!strings.Contains(observed.Diagnosis, `container "main": cannot pull image`) {
		t.Errorf("waits as %s", show(observed))
	}
	end := s.ended(a.Ref)
	if end.Category != api.CategoryImagePull || !strings.Contains(end.Message, "gave up after waiting 6s") ||
		!strings.Contains(end.Message, "registry.invalid") {
		t.Errorf("ended as %s, want image_pull", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	s.eventually("the Job is gone", func() bool { return s.job(launched.Name) == nil && len(s.pods()) == 0 })
}

func TestEventsExplainWaitingAttempts(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(s *site)
		change  func(spec map[string]any)
		want    string
	}{
		{name: "quota", want: "resource quota does not allow the pod", prepare: func(s *site) {
			quota := &corev1.ResourceQuota{
				ObjectMeta: metav1.ObjectMeta{Name: "none"},
				Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: {}}},
			}
			if _, err := s.client.CoreV1().ResourceQuotas(s.namespace).Create(s.ctx(), quota, metav1.CreateOptions{}); err != nil {
				s.t.Fatal(err)
			}
			s.eventually("the quota is in force", func() bool {
				q, err := s.client.CoreV1().ResourceQuotas(s.namespace).Get(s.ctx(), "none", metav1.GetOptions{})
				return err == nil && len(q.Status.Hard) > 0
			})
		}},
		{name: "Pod Security", want: "Pod Security level rejects the pod", prepare: func(s *site) {
			patch := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
			namespaces, options := s.client.CoreV1().Namespaces(), metav1.PatchOptions{}
			if _, err := namespaces.Patch(s.ctx(), s.namespace, types.MergePatchType, patch, options); err != nil {
				s.t.Fatal(err)
			}
		}},
		{name: "ServiceAccount", want: "ServiceAccount does not exist", change: func(spec map[string]any) {
			podSpec(spec)["serviceAccountName"] = "missing"
		}},
		{name: "missing Secret", want: `secret "none" not found`, change: func(spec map[string]any) {
			mainContainer(spec)["envFrom"] = []any{map[string]any{"secretRef": map[string]any{"name": "none"}}}
		}},
		{name: "missing volume", want: "a volume cannot be mounted", change: func(spec map[string]any) {
			podSpec(spec)["volumes"] = []any{map[string]any{"name": "v", "configMap": map[string]any{"name": "none"}}}
			mainContainer(spec)["volumeMounts"] = []any{map[string]any{"name": "v", "mountPath": "/v"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			if test.prepare != nil {
				test.prepare(s)
			}
			change := test.change
			if change == nil {
				change = func(map[string]any) {}
			}
			a := s.attempt("true", change)
			launched := s.launch(a)
			observed := s.until(a.Ref, "a diagnosis",
				func(o job.Observation) bool { return o.Diagnosis != "" })
			if observed.Phase != job.Pending || !strings.Contains(observed.Diagnosis, test.want) {
				t.Errorf("waits as %s, want %q", show(observed), test.want)
			}
			if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
				t.Fatal(err)
			}
			s.ended(a.Ref)
			s.finalize(a.Ref, launched.UID)
		})
	}
}
