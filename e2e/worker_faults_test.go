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

func (p *scenarioTest) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// awaitRunningPod returns the running pod of the run.
func (p *scenarioTest) awaitRunningPod() corev1.Pod {
	p.t.Helper()
	return p.runningPod(p.t, p.jobs, p.id)
}

// openGate lets a script that waits for its gate continue.
func (p *scenarioTest) openGate() {
	p.t.Helper()
	p.exec(p.t, p.awaitRunningPod(), "touch", "/tmp/gate")
}

func (p *scenarioTest) evict(pod corev1.Pod) {
	p.t.Helper()
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}
	p.must(p.client.CoreV1().Pods(pod.Namespace).EvictV1(p.t.Context(), eviction))
}

func evicted(p *scenarioTest) { p.evict(p.awaitRunningPod()) }

func evictedExitingZero(p *scenarioTest) {
	pod := p.awaitRunningPod()
	p.logsHave(p.t, p.id, "up") // the trap for SIGTERM is set
	p.evict(pod)
}

// evictedUnseen evicts while there is no worker, and starts one when the pod and its conditions are gone.
func evictedUnseen(p *scenarioTest) {
	pod := p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.first.kill(p.t)
	p.evict(pod)
	eventually(p.t, "the evicted pod to be gone",
		func() (bool, error) { return len(p.currentPods()) == 0, nil })
	p.worker("second")
}

func (p *scenarioTest) currentPods() []corev1.Pod { return p.cluster.pods(p.t, p.jobs, p.id) }

func checkRaisedMemory(p *scenarioTest) {
	p.awaitRun("the end of the run", hasEnded)
	var limits []string
	for _, j := range p.cluster.jobs(p.t, p.jobs, p.id) {
		limits = append(
			limits,
			j.Labels["berth.dev/attempt"]+":"+j.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().
				String(),
		)
	}
	if text := strings.Join(limits, " "); !strings.Contains(text, "1:32Mi") ||
		!strings.Contains(text, "2:64Mi") {
		p.t.Errorf("the memory of the attempts is %s", text)
	}
}

// oneSeat gives the node capacity for one pod that asks for a seat.
func oneSeat(p *scenarioTest) {
	nodes, err := p.client.CoreV1().Nodes().List(p.t.Context(), metav1.ListOptions{})
	p.must(err)
	for _, node := range nodes.Items {
		if _, fake := node.Labels["e2e.berth.dev/lost"]; fake {
			continue
		}
		patch := []byte(
			`{"status":{"capacity":{"e2e.berth.dev/seat":"1"},"allocatable":{"e2e.berth.dev/seat":"1"}}}`)
		_, err := p.client.CoreV1().
			Nodes().
			Patch(p.t.Context(), node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		p.must(err)
		return
	}
	p.t.Fatal("there is no node")
}

// preempted starts a pod of higher priority that takes the seat for a while.
func preempted(p *scenarioTest) {
	p.awaitRunningPod()
	ctx := p.t.Context()
	class, err := p.client.SchedulingV1().
		PriorityClasses().
		Create(ctx, priorityClass(), metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() {
		p.must(
			p.client.SchedulingV1().
				PriorityClasses().
				Delete(context.WithoutCancel(ctx), class.Name, metav1.DeleteOptions{}),
		)
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
	p.awaitAdmitted("the priority class", func(o metav1.CreateOptions) error {
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

func noJobsAllowed(p *scenarioTest) { p.createZeroQuota("count/jobs.batch") }
func noPodsAllowed(p *scenarioTest) { p.createZeroQuota(corev1.ResourcePods) }

func (p *scenarioTest) createZeroQuota(what corev1.ResourceName) {
	p.t.Helper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{what: resource.MustParse("0")}},
	}
	_, err := p.client.CoreV1().ResourceQuotas(p.jobs).Create(p.t.Context(), quota, metav1.CreateOptions{})
	p.must(err)
	p.awaitRefused("the quota", "exceeded quota", func(o metav1.CreateOptions) error {
		if what == corev1.ResourcePods {
			_, err := p.client.CoreV1().Pods(p.jobs).Create(p.t.Context(), samplePod(), o)
			return err
		}
		_, err := p.client.BatchV1().Jobs(p.jobs).Create(p.t.Context(), sampleJob(), o)
		return err
	})
}

// awaitAdmitted waits until admission knows something that was just created: it reads from a cache, which a
// loaded API server fills late. create is tried as a dry run until it is no longer forbidden.
func (p *scenarioTest) awaitAdmitted(what string, create func(metav1.CreateOptions) error) {
	p.t.Helper()
	eventually(p.t, "admission to know "+what, func() (bool, error) {
		err := create(metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// dropRequest waits until admission refuses a dry run of create with a text.
func (p *scenarioTest) awaitRefused(what, text string, create func(metav1.CreateOptions) error) {
	p.t.Helper()
	eventually(p.t, what+" to be in force", func() (bool, error) {
		err := create(metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), text), nil
	})
}

func quotaFreed(p *scenarioTest) {
	p.awaitDiagnosis("exceeded quota")
	p.must(p.client.CoreV1().ResourceQuotas(p.jobs).Delete(p.t.Context(), "none", metav1.DeleteOptions{}))
}

// admissionRefuses creates a policy under which the API server refuses Jobs in the namespace.
func admissionRefuses(p *scenarioTest) {
	ctx := p.t.Context()
	policies, bindings := p.client.AdmissionregistrationV1().
		ValidatingAdmissionPolicies(),
		p.client.AdmissionregistrationV1().
			ValidatingAdmissionPolicyBindings()
	fail, name := admissionv1.Fail, p.jobs
	_, err := policies.Create(ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{
					MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.jobs},
				},
				ResourceRules: []admissionv1.NamedRuleWithOperations{
					{RuleWithOperations: admissionv1.RuleWithOperations{
						Operations: []admissionv1.OperationType{admissionv1.Create},
						Rule: admissionv1.Rule{
							APIGroups: []string{"batch"}, APIVersions: []string{"v1"},
							Resources: []string{"jobs"},
						},
					}},
				},
			},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "not on a Tuesday"}},
		},
	}, metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() { p.must(policies.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{})) })
	_, err = bindings.Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{})
	p.must(err)
	p.t.Cleanup(func() { p.must(bindings.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{})) })
	p.awaitRefused("the policy", "not on a Tuesday", func(o metav1.CreateOptions) error {
		_, err := p.client.BatchV1().Jobs(p.jobs).Create(ctx, sampleJob(), o)
		return err
	})
}

func resumed(p *scenarioTest) {
	p.awaitDiagnosis("the Job is suspended")
	p.suspend("false")
}

func (p *scenarioTest) suspend(whether string) {
	p.t.Helper()
	jobs := p.cluster.jobs(p.t, p.jobs, p.id)
	_, err := p.client.BatchV1().
		Jobs(p.jobs).
		Patch(p.t.Context(), jobs[0].Name, types.MergePatchType, []byte(`{"spec":{"suspend":`+whether+`}}`), metav1.PatchOptions{})
	p.must(err)
}

// suspendedRunning suspends and resumes a running Job, as Kueue does when it preempts and readmits a
// workload.
func suspendedRunning(p *scenarioTest) {
	p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.suspend("true")
	p.awaitRun("the run to wait", func(r run) bool { return r.Run.State.Type == "PENDING" })
	p.awaitDiagnosis("the Job is suspended")
	eventually(p.t, "the pod to be gone", func() (bool, error) { return len(p.currentPods()) == 0, nil })
	p.suspend("false")
	p.openGate()
}

func jobDeleted(propagation metav1.DeletionPropagation) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.awaitRunningPod()
		p.must(
			p.client.BatchV1().
				Jobs(p.jobs).
				Delete(p.t.Context(), p.cluster.jobs(p.t, p.jobs, p.id)[0].Name, metav1.DeleteOptions{PropagationPolicy: &propagation}),
		)
	}
}

func podDeleted(p *scenarioTest) {
	p.must(
		p.client.CoreV1().
			Pods(p.jobs).
			Delete(p.t.Context(), p.awaitRunningPod().Name, metav1.DeleteOptions{}),
	)
}

func (p *scenarioTest) deleteNamespace() {
	p.t.Helper()
	p.must(p.client.CoreV1().Namespaces().Delete(p.t.Context(), p.jobs, metav1.DeleteOptions{}))
}

func (p *scenarioTest) awaitNamespaceGone() {
	p.t.Helper()
	eventually(p.t, "the namespace to be gone", func() (bool, error) {
		_, err := p.client.CoreV1().Namespaces().Get(p.t.Context(), p.jobs, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func namespaceDeleted(p *scenarioTest) {
	p.awaitRunningPod()
	p.deleteNamespace()
	p.awaitNamespaceGone()
}

// namespaceDeletedAround deletes the namespace that the worker runs in: the worker loses its rights and its
// process. An operator then removes the finalizers with `berth worker drain`, which needs no server.
func namespaceDeletedAround(p *scenarioTest) {
	pod := p.awaitRunningPod()
	installation := pod.Labels["berth.dev/installation"]
	p.deleteNamespace()
	p.first.kill(p.t)
	drained := cli{url: "http://127.0.0.1:1", dir: p.dir}
	drained.ok(p.t, "worker", "drain", "--yes", "--keep-jobs", "--installation", installation, "--kubeconfig",
		p.kubeconfig, "--namespace", p.jobs)
	p.awaitNamespaceGone()
	p.ok(p.t, "run", "cancel", p.id)
	p.worker("next") // the next worker finds the attempt without its Job
}

func cancelled(p *scenarioTest) { p.ok(p.t, "run", "cancel", p.id) }

func cancelledPending(p *scenarioTest) {
	p.awaitDiagnosis("no node can run the pod")
	cancelled(p)
}

func cancelledRunning(p *scenarioTest) {
	p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	cancelled(p)
}

// checkEveryLine checks that the output has every line once, in order.
func checkEveryLine(count int) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.awaitRun("the end of the run", hasEnded)
		p.outputIs(numberedLines(count))
	}
}

// checkEveryKeptLine checks that the output has every line that the node kept, once and in order. A containerd
// of release 1.6 may close the pipe of a container that exits while it still writes, and lose the rest: its
// log then says "Failed to pipe stdout of container".
func checkEveryKeptLine(count int) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.awaitRun("the end of the run", hasEnded)
		kept := p.podLog(p.t, p.jobs, p.id)
		if all := numberedLines(count); kept == "" || !strings.HasPrefix(all, kept) {
			p.t.Fatalf("the node kept %d bytes that are not the beginning of the %d written", len(kept), len(all))
		} else if lost := len(all) - len(kept); lost > 0 {
			p.t.Logf("the node lost the last %d of %d bytes", lost, len(all))
		}
		p.outputIs(kept)
	}
}

// numberedLines is what the scripts of the scenarios write that count their lines.
func numberedLines(count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	return text.String()
}

// outputIs waits until the output of the run is as long as want, and then compares them.
func (p *scenarioTest) outputIs(want string) {
	p.t.Helper()
	var got string
	eventually(p.t, fmt.Sprintf("%d bytes of output of run %s", len(want), p.id), func() (bool, error) {
		got = p.ok(p.t, "run", "logs", p.id)
		return len(got) >= len(want), nil
	})
	if got != want {
		p.t.Errorf("the output has %d lines and %d bytes, want %d and %d", strings.Count(got, "\n"),
			len(got), strings.Count(want, "\n"), len(want))
	}
}

// secondNamespace starts a worker for two namespaces; the run asks for the second, which its pool allows.
func secondNamespace(p *scenarioTest) {
	second := p.cluster.namespace(p.t, "berth-second", nil)
	p.moreFlags = []string{"--watch-namespace", p.jobs, "--watch-namespace", second}
	p.worker("both")
	p.ok(p.t, "pool", "update", "hosted", "--job-namespace", second)
	p.scenario.deployment = "job_variables: {namespace: " + second + "}"
	p.jobs = second
	p.census = p.count(p.t, second)
}

func secondWorker(p *scenarioTest) { p.worker("second") }

// manyRuns starts further runs beside the first one.
func manyRuns(more int) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		for range more {
			p.others = append(p.others, p.start(p.t, "play"))
		}
		for _, id := range p.others {
			p.end(p.t, id, "COMPLETED")
			p.recordedOnce(p.t, id)
		}
	}
}

// checkValueNowhere checks that a value appears only inside the container.
func checkValueNowhere(value string) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.awaitRun("the end of the run", hasEnded)
		jobs, err := json.Marshal(p.cluster.jobs(p.t, p.jobs, p.id))
		p.must(err)
		events, err := p.client.CoreV1().Events(p.jobs).List(p.t.Context(), metav1.ListOptions{})
		p.must(err)
		texts := map[string]string{
			"Jobs": string(
				jobs), "Events": fmt.Sprint(events.Items), "worker's log": p.first.log.String(), "server's log": p.hosted.server.log.String(),
			"run": p.ok(
				p.t, "run", "get", p.id, "-o", "json",
			), "stored manifest": p.ok(p.t, "run", "manifest", p.id), "events of the run": p.ok(p.t, "run", "events", p.id, "-o", "json"),
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

func serverDown(p *scenarioTest) {
	p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.hosted.server.kill(p.t)
	away := time.Now()
	p.openGate()
	eventually(p.t, "the Job to finish, and four leases to run out", func() (bool, error) {
		jobs := p.cluster.jobs(p.t, p.jobs, p.id)
		return len(jobs) == 1 && jobs[0].Status.Succeeded == 1 && time.Since(away) > 20*time.Second, nil
	})
	p.startServer(p.t)
}

// restartAPIServer kills the API server of a source-built cluster; its supervisor starts it again.
func (p *scenarioTest) restartAPIServer() {
	p.t.Helper()
	dir := filepath.Dir(p.kubeconfig)
	if _, err := os.Stat(filepath.Join(dir, "supervisor.sock")); err != nil {
		testenv.Missing(
			p.t,
			"this cluster's API server cannot be restarted: only the cluster that `make cluster-up` builds from source allows it",
		)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	p.must(err)
	killed := 0
	for _, path := range processes {
		line, err := os.ReadFile(path)
		if err != nil ||
			!strings.HasPrefix(filepath.Base(strings.Split(string(line), "\x00")[0]), "kube-apiserver") ||
			!strings.Contains(string(line), dir+"/") {
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

func apiServerRestarted(p *scenarioTest) {
	p.awaitRunningPod()
	p.restartAPIServer()
	p.openGate()
}

func restartWhileFollowing(count int) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.logsHave(p.t, p.id, "line 20\n")
		p.restartAPIServer()
		checkEveryLine(count)(p)
	}
}

// kubeFault makes the first n matching requests to the API server fail, and checks that there was one.
func kubeFault(n int, match requestMatcher, wrong fault) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.kubeProxy.times(n, match, wrong)
		p.t.Cleanup(func() { p.assertFaultHappened(p.kubeProxy) })
	}
}

func serverFault(n int, match requestMatcher, wrong fault) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.serverProxy.times(n, match, wrong)
		p.t.Cleanup(func() { p.assertFaultHappened(p.serverProxy) })
	}
}

func (p *scenarioTest) assertFaultHappened(at *proxy) {
	if at.count() == 0 && !p.t.Failed() {
		p.t.Error("no request failed, so the scenario proves nothing")
	}
}

func reportsAnything(r *http.Request, _ string) bool { return r.URL.Path == "/api/v1/worker/reports" }

// neverAnswer holds the request until its client gives up.
func neverAnswer(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func breakEveryThirdRequest(p *scenarioTest) {
	p.kubeProxy.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		switch p.kubeProxy.hit() % 6 {
		case 2:
			return dropRequest(w, r, forward)
		case 5:
			if watchesObjects(r, "") {
				return dropRequest(w, r, forward)
			}
			return dropAnswer(w, r, forward)
		}
		return false
	})
	p.t.Cleanup(func() { p.assertFaultHappened(p.kubeProxy) })
}

// killedAt kills the first worker when it makes a matching request, before or after the answer.
func killedAt(match requestMatcher, kube, answered bool) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		through := p.serverProxy
		if kube {
			through = p.kubeProxy
		}
		reached := through.stopAt(match, answered)
		p.first = p.worker("first")
		p.t.Cleanup(func() { p.first.kill(p.t) })
		p.scenario.act = func(p *scenarioTest) {
			select {
			case <-reached:
			case <-time.After(patience):
				p.t.Fatal("the worker never made the request")
			}
			p.first.kill(p.t)
			p.worker("second")
		}
	}
}

// succeeded is what killedAt puts in its own place. abandonedByHand has an operator give up an attempt whose
// worker is gone, and another worker find its Job running.
func abandonedByHand(p *scenarioTest) {
	first := p.awaitRunningPod()
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.first.kill(p.t)
	eventually(p.t, "the lease to run out",
		func() (bool, error) { return p.run(p.t, "run", "abandon", p.id, "--yes").code == 0, nil })
	p.worker("second")
	eventually(p.t, "the pod of the ended attempt to be stopped", func() (bool, error) {
		return !slices.ContainsFunc(
			p.currentPods(),
			func(pod corev1.Pod) bool { return pod.UID == first.UID && pod.Status.Phase == corev1.PodRunning },
		), nil
	})
}

// takenOver does nothing: killedAt, as prepare, replaces the action.
func takenOver(*scenarioTest) {}
