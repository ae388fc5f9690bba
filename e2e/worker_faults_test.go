package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/internal/testenv"
)

func (p *play) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// running is the pod of the run that runs now.
func (p *play) running() corev1.Pod {
	p.t.Helper()
	return p.runningPod(p.t, p.jobs, p.id)
}

// open lets a script go on that waits for its gate.
func (p *play) open() {
	p.t.Helper()
	p.exec(p.t, p.running(), "touch", "/tmp/gate")
}

func (p *play) evict(pod corev1.Pod) {
	p.t.Helper()
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}
	p.must(p.client.CoreV1().Pods(pod.Namespace).EvictV1(p.t.Context(), eviction))
}

func evicted(p *play) { p.evict(p.running()) }

func evictedPolitely(p *play) {
	pod := p.running()
	p.logsHave(p.t, p.id, "up") // it listens to SIGTERM by now
	p.evict(pod)
}

// evictedUnseen evicts while there is no worker, and starts one when the pod and its conditions are gone.
func evictedUnseen(p *play) {
	pod := p.running()
	p.until("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.first.kill(p.t)
	p.evict(pod)
	eventually(p.t, "the evicted pod to be gone", func() (bool, error) { return len(p.podsNow()) == 0, nil })
	p.worker("second")
}

func (p *play) podsNow() []corev1.Pod { return p.cluster.pods(p.t, p.jobs, p.id) }

func memoryIsRaised(p *play) {
	p.until("the end of the run", over)
	var limits []string
	for _, j := range p.cluster.jobs(p.t, p.jobs, p.id) {
		limits = append(limits, j.Labels["berth.dev/attempt"]+":"+j.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String())
	}
	if text := strings.Join(limits, " "); !strings.Contains(text, "1:32Mi") || !strings.Contains(text, "2:64Mi") {
		p.t.Errorf("the memory of the attempts is %s", text)
	}
}

// oneSeat gives the node room for one pod of a kind.
func oneSeat(p *play) {
	nodes, err := p.client.CoreV1().Nodes().List(p.t.Context(), metav1.ListOptions{})
	p.must(err)
	for _, node := range nodes.Items {
		if _, fake := node.Labels["e2e.berth.dev/lost"]; fake {
			continue
		}
		patch := []byte(`{"status":{"capacity":{"e2e.berth.dev/seat":"1"},"allocatable":{"e2e.berth.dev/seat":"1"}}}`)
		_, err := p.client.CoreV1().Nodes().Patch(p.t.Context(), node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		p.must(err)
		return
	}
	p.t.Fatal("there is no node")
}

// preempted has something more important take the seat for a while.
func preempted(p *play) {
	p.running()
	ctx := p.t.Context()
	class, err := p.client.SchedulingV1().PriorityClasses().Create(ctx, priorityClass(), metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() {
		p.must(p.client.SchedulingV1().PriorityClasses().Delete(context.WithoutCancel(ctx), class.Name, metav1.DeleteOptions{}))
	})
	zero := int64(0)
	seat := corev1.ResourceList{"e2e.berth.dev/seat": resource.MustParse("1")}
	important := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "more-important", Labels: map[string]string{testPod: ""}},
		Spec: corev1.PodSpec{
			PriorityClassName: class.Name, TerminationGracePeriodSeconds: &zero,
			Containers: []corev1.Container{{
				Name: "sit", Image: "busybox:1.36", Command: []string{"sleep", "600"},
				Resources: corev1.ResourceRequirements{Limits: seat},
			}},
		},
	}
	p.admitted("the priority class", func(o metav1.CreateOptions) error {
		_, err := p.client.CoreV1().Pods(p.jobs).Create(ctx, important, o)
		return err
	})
	vip, err := p.client.CoreV1().Pods(p.jobs).Create(ctx, important, metav1.CreateOptions{})
	p.must(err)
	eventually(p.t, "the more important pod to have the seat", func() (bool, error) {
		pod, err := p.client.CoreV1().Pods(p.jobs).Get(ctx, vip.Name, metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning, err
	})
	p.must(p.client.CoreV1().Pods(p.jobs).Delete(ctx, vip.Name, metav1.DeleteOptions{}))
}

func noJobsAllowed(p *play) { p.allowNo("count/jobs.batch") }
func noPodsAllowed(p *play) { p.allowNo(corev1.ResourcePods) }

func (p *play) allowNo(what corev1.ResourceName) {
	p.t.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{what: resource.MustParse("0")}}}
	_, err := p.client.CoreV1().ResourceQuotas(p.jobs).Create(p.t.Context(), quota, metav1.CreateOptions{})
	p.must(err)
	p.refused("the quota", "exceeded quota", func(o metav1.CreateOptions) error {
		if what == corev1.ResourcePods {
			_, err := p.client.CoreV1().Pods(p.jobs).Create(p.t.Context(), samplePod(), o)
			return err
		}
		_, err := p.client.BatchV1().Jobs(p.jobs).Create(p.t.Context(), sampleJob(), o)
		return err
	})
}

// admitted waits until admission knows something that was just created: it reads from a cache, which a loaded API
// server fills late. create is tried as a dry run until it is no longer forbidden.
func (p *play) admitted(what string, create func(metav1.CreateOptions) error) {
	p.t.Helper()
	eventually(p.t, "admission to know "+what, func() (bool, error) {
		err := create(metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// refused waits until admission refuses a dry run of create with a text.
func (p *play) refused(what, text string, create func(metav1.CreateOptions) error) {
	p.t.Helper()
	eventually(p.t, what+" to be in force", func() (bool, error) {
		err := create(metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), text), nil
	})
}

func quotaFreed(p *play) {
	p.waits("exceeded quota")
	p.must(p.client.CoreV1().ResourceQuotas(p.jobs).Delete(p.t.Context(), "none", metav1.DeleteOptions{}))
}

// admissionRefuses has the API server refuse Jobs in the namespace.
func admissionRefuses(p *play) {
	ctx := p.t.Context()
	policies, bindings := p.client.AdmissionregistrationV1().ValidatingAdmissionPolicies(), p.client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	fail, name := admissionv1.Fail, p.jobs
	_, err := policies.Create(ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.jobs}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "not on a Tuesday"}},
		},
	}, metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() { p.must(policies.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{})) })
	_, err = bindings.Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}, metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() { p.must(bindings.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{})) })
	p.refused("the policy", "not on a Tuesday", func(o metav1.CreateOptions) error {
		_, err := p.client.BatchV1().Jobs(p.jobs).Create(ctx, sampleJob(), o)
		return err
	})
}

func resumed(p *play) {
	p.waits("the Job is suspended")
	p.suspend("false")
}

func (p *play) suspend(whether string) {
	p.t.Helper()
	jobs := p.cluster.jobs(p.t, p.jobs, p.id)
	_, err := p.client.BatchV1().Jobs(p.jobs).Patch(p.t.Context(), jobs[0].Name, types.MergePatchType, []byte(`{"spec":{"suspend":`+whether+`}}`), metav1.PatchOptions{})
	p.must(err)
}

// suspendedRunning does what Kueue does to a Job that it takes the room from, and gives it back later.
func suspendedRunning(p *play) {
	p.running()
	p.until("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.suspend("true")
	p.until("the run to wait", func(r run) bool { return r.Run.State.Type == "PENDING" })
	p.waits("the Job is suspended")
	eventually(p.t, "the pod to be gone", func() (bool, error) { return len(p.podsNow()) == 0, nil })
	p.suspend("false")
	p.open()
}

func jobDeleted(propagation metav1.DeletionPropagation) func(p *play) {
	return func(p *play) {
		p.running()
		p.must(p.client.BatchV1().Jobs(p.jobs).Delete(p.t.Context(), p.cluster.jobs(p.t, p.jobs, p.id)[0].Name, metav1.DeleteOptions{PropagationPolicy: &propagation}))
	}
}

func podDeleted(p *play) {
	p.must(p.client.CoreV1().Pods(p.jobs).Delete(p.t.Context(), p.running().Name, metav1.DeleteOptions{}))
}

func (p *play) deleteNamespace() {
	p.t.Helper()
	p.must(p.client.CoreV1().Namespaces().Delete(p.t.Context(), p.jobs, metav1.DeleteOptions{}))
}

func (p *play) namespaceIsGone() {
	p.t.Helper()
	eventually(p.t, "the namespace to be gone", func() (bool, error) {
		_, err := p.client.CoreV1().Namespaces().Get(p.t.Context(), p.jobs, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func namespaceDeleted(p *play) {
	p.running()
	p.deleteNamespace()
	p.namespaceIsGone()
}

// namespaceDeletedAround deletes the namespace that the worker lives in: it loses its rights and its process.
// What it cannot let go of any more, the operator does, without any server.
func namespaceDeletedAround(p *play) {
	pod := p.running()
	installation := pod.Labels["berth.dev/installation"]
	p.deleteNamespace()
	p.first.kill(p.t)
	drained := cli{url: "http://127.0.0.1:1", dir: p.dir}
	drained.ok(p.t, "worker", "drain", "--keep-jobs", "--installation", installation, "--kubeconfig", p.kubeconfig, "--namespace", p.jobs)
	p.namespaceIsGone()
	p.ok(p.t, "run", "cancel", p.id)
	p.worker("next") // whoever serves a namespace of that name finds the attempt without its Job
}

func cancelled(p *play) { p.ok(p.t, "run", "cancel", p.id) }

func cancelledPending(p *play) {
	p.waits("no node can run the pod")
	cancelled(p)
}

func cancelledRunning(p *play) {
	p.running()
	p.until("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	cancelled(p)
}

// linesAreAllThere demands that every line is in the output once, in order.
func linesAreAllThere(count int) func(p *play) {
	return func(p *play) {
		p.until("the end of the run", over)
		p.logsHave(p.t, p.id, fmt.Sprintf("line %d\n", count-1))
		var want strings.Builder
		for i := range count {
			fmt.Fprintf(&want, "line %d\n", i)
		}
		if got := p.ok(p.t, "run", "logs", p.id); got != want.String() {
			p.t.Errorf("the output has %d lines and %d bytes, want %d and %d", strings.Count(got, "\n"), len(got), count, want.Len())
		}
	}
}

// secondNamespace has a worker serve two namespaces and the run ask for the second.
func secondNamespace(p *play) {
	second := p.cluster.namespace(p.t, "berth-second", nil)
	p.more = []string{"--watch-namespace", p.jobs, "--watch-namespace", second}
	p.worker("both")
	p.scenario.deployment = "job_variables: {namespace: " + second + "}"
	p.jobs = second
	p.census = p.count(p.t, second)
}

func secondWorker(p *play) { p.worker("second") }

// manyRuns starts more runs beside the one that there is.
func manyRuns(more int) func(p *play) {
	return func(p *play) {
		for range more {
			p.others = append(p.others, p.start(p.t, "play"))
		}
		for _, id := range p.others {
			p.end(p.t, id, "COMPLETED")
			p.recordedOnce(p.t, id)
		}
	}
}

// nothingShows demands that a value is in nothing that anybody but the job can see.
func nothingShows(value string) func(p *play) {
	return func(p *play) {
		p.until("the end of the run", over)
		jobs, err := json.Marshal(p.cluster.jobs(p.t, p.jobs, p.id))
		p.must(err)
		events, err := p.client.CoreV1().Events(p.jobs).List(p.t.Context(), metav1.ListOptions{})
		p.must(err)
		texts := map[string]string{
			"Jobs": string(jobs), "Events": fmt.Sprint(events.Items), "worker's log": p.first.log.String(), "server's log": p.hosted.server.log.String(),
			"run": p.ok(p.t, "run", "get", p.id, "-o", "json"), "stored manifest": p.ok(p.t, "run", "manifest", p.id), "events of the run": p.ok(p.t, "run", "events", p.id, "-o", "json"),
			"output": p.ok(p.t, "run", "logs", p.id),
		}
		for what, text := range texts {
			if text == "" || strings.Contains(text, value) {
				t := text[:min(len(text), 2000)]
				p.t.Errorf("the %s: empty, or the value is in it: %s", what, t)
			}
		}
		if j := p.cluster.jobs(p.t, p.jobs, p.id)[0]; p.secret(p.t, p.jobs, j.Name, "TOKEN") == "" {
			p.t.Error("the Secret has no value")
		}
	}
}

func serverAway(p *play) {
	p.running()
	p.until("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.hosted.server.kill(p.t)
	away := time.Now()
	p.open()
	eventually(p.t, "the Job to finish, and four leases to run out", func() (bool, error) {
		jobs := p.cluster.jobs(p.t, p.jobs, p.id)
		return len(jobs) == 1 && jobs[0].Status.Succeeded == 1 && time.Since(away) > 20*time.Second, nil
	})
	p.startServer(p.t)
}

// restartAPIServer kills the API server of a cluster that is made here; its keeper starts it again.
func (p *play) restartAPIServer() {
	p.t.Helper()
	dir := filepath.Dir(p.kubeconfig)
	if _, err := os.Stat(filepath.Join(dir, "supervisor.sock")); err != nil {
		testenv.Missing(p.t, "the API server of this cluster can not be restarted from here: it is not one of `make cluster-up` without Docker")
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	p.must(err)
	killed := 0
	for _, path := range processes {
		line, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(filepath.Base(strings.Split(string(line), "\x00")[0]), "kube-apiserver") || !strings.Contains(string(line), dir+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		p.must(err)
		process, err := os.FindProcess(pid)
		p.must(err)
		p.must(process.Kill())
		killed++
	}
	if killed != 1 {
		p.t.Fatalf("killed %d API servers, want 1", killed)
	}
	eventually(p.t, "the API server to be back", func() (bool, error) {
		_, err := p.client.CoreV1().Namespaces().Get(p.t.Context(), p.jobs, metav1.GetOptions{})
		return err == nil, nil
	})
}

func apiServerRestarted(p *play) {
	p.running()
	p.restartAPIServer()
	p.open()
}

func followedAcross(count int) func(p *play) {
	return func(p *play) {
		p.logsHave(p.t, p.id, "line 20\n")
		p.restartAPIServer()
		linesAreAllThere(count)(p)
	}
}

// kubeFault makes the first n requests to the API server that match go wrong, and demands that there were
// any.
func kubeFault(n int, match matching, wrong fault) func(p *play) {
	return func(p *play) {
		p.toKube.times(n, match, wrong)
		p.t.Cleanup(func() { p.wentWrong(p.toKube) })
	}
}

func serverFault(n int, match matching, wrong fault) func(p *play) {
	return func(p *play) {
		p.toBerth.times(n, match, wrong)
		p.t.Cleanup(func() { p.wentWrong(p.toBerth) })
	}
}

func (p *play) wentWrong(at *proxy) {
	if at.count() == 0 && !p.t.Failed() {
		p.t.Error("nothing has gone wrong: the row proves nothing")
	}
}

func anyReport(r *http.Request, _ string) bool { return r.URL.Path == "/api/v1/worker/reports" }

// hangs never answers.
func hangs(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func everyThirdBreaks(p *play) {
	p.toKube.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		switch p.toKube.hit() % 6 {
		case 2:
			return refused(w, r, forward)
		case 5:
			if watches(r, "") {
				return refused(w, r, forward)
			}
			return dropped(w, r, forward)
		}
		return false
	})
	p.t.Cleanup(func() { p.wentWrong(p.toKube) })
}

// killedAt has the first worker get as far as that request, and dies there.
func killedAt(match matching, kube, answered bool) func(p *play) {
	return func(p *play) {
		through := p.toBerth
		if kube {
			through = p.toKube
		}
		reached := through.stopAt(match, answered)
		p.first = p.worker("first")
		p.t.Cleanup(func() { p.first.kill(p.t) })
		p.scenario.act = func(p *play) {
			select {
			case <-reached:
			case <-time.After(patience):
				p.t.Fatal("the worker has not come that far")
			}
			p.first.kill(p.t)
			p.worker("second")
		}
	}
}

// succeeded is what killedAt puts in its own place. abandonedByHand has an operator give up an attempt whose
// worker is gone, and another worker find its Job running.
func abandonedByHand(p *play) {
	first := p.running()
	p.until("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.first.kill(p.t)
	eventually(p.t, "the lease to run out", func() (bool, error) { return p.run(p.t, "run", "abandon", p.id).code == 0, nil })
	p.worker("second")
	eventually(p.t, "what runs of the attempt that is over to be stopped", func() (bool, error) {
		return !slices.ContainsFunc(p.podsNow(), func(pod corev1.Pod) bool { return pod.UID == first.UID && pod.Status.Phase == corev1.PodRunning }), nil
	})
}

func succeeded(*play) {}
