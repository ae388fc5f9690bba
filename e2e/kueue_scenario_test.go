package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testenv"
)

// Labels and annotations of the Jobs that go through Kueue. Their priorities are made by withQueue.
const (
	inBatch = `labels: {kueue.x-k8s.io/queue-name: batch, kueue.x-k8s.io/priority-class: "{{ namespace }}-{{ priority }}"}`
	// unnamed Jobs are put into a queue by Kueue itself.
	unnamed  = `labels: {kueue.x-k8s.io/priority-class: "{{ namespace }}-{{ priority }}"}`
	takesAll = `resources: {requests: {cpu: 60m, memory: 16Mi}}` // one of them fits into the quota
)

// managed is the label of namespaces whose Jobs Kueue manages, those without a queue name included: see
// e2e/cluster/addon/kueue/manager.yaml.
var managed = map[string]string{"e2e.berth.dev/kueue": ""}

// kueueScenarios are the rows with Kueue in the cluster. Each has separate queues, so they run side by side.
func kueueScenarios() []scenario {
	rows := []scenario{
		{
			name: "queued until there is quota", script: gated, prepare: withQueue("batch", ""), act: waitsForQuota,
			state: "COMPLETED", ends: "ok", pods: 2,
		},
		{
			name: "preempted by Kueue, and deaf to SIGTERM", script: `trap "" TERM; ` + gated,
			prepare: withQueue("batch", ""), act: preemptedByKueue, resumed: true, state: "COMPLETED", ends: "ok", pods: 3,
		},
		{
			name: "preempted by Kueue with exit code 7", script: `trap "exit 7" TERM; ` + gated,
			prepare: withQueue("batch", ""), act: preemptedByKueue, resumed: true, state: "COMPLETED", ends: "ok", pods: 3,
		},
		{
			name: "preempted by Kueue with exit code 0", script: `trap "exit 0" TERM; ` + gated,
			prepare: withQueue("batch", ""), act: preemptedByKueue, resumed: true, state: "COMPLETED", ends: "ok", pods: 3,
		},
		{
			name: "the default LocalQueue, preempted with exit code 7", metadata: unnamed, script: `trap "exit 7" TERM; ` + gated,
			prepare: withQueue("default", ""), act: preemptedByKueue, resumed: true, state: "COMPLETED", ends: "ok", pods: 3,
		},
		{
			name: "managed without a queue name", metadata: unnamed, script: "echo through",
			prepare: withQueue("batch", ""), act: queueNamedLater, resumed: true, state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			// No other attempt follows, though retries are left.
			name: "Kueue's requeuing limit", script: "true", pod: nowhere,
			prepare: withQueue("batch", ""), state: "CRASHED", ends: "unschedulable", pods: 1,
			says: "maximum number of re-queuing retries",
		},
		{
			name: "Kueue's maximum execution time", script: gated, prepare: withQueue("batch", ""),
			metadata: `labels: {kueue.x-k8s.io/queue-name: batch, kueue.x-k8s.io/max-exec-time-seconds: "3"}`,
			state:    "FAILED", ends: "deadline", pods: 1, says: "exceeding the maximum execution time",
		},
		{
			name: "a ClusterQueue on hold", script: gated, prepare: withQueue("batch", ""), act: heldAndReleased,
			resumed: true, state: "COMPLETED", ends: "ok", pods: 2,
		},
		{
			name: "deactivated by a user, and activated again", script: gated, prepare: withQueue("batch", ""),
			act: deactivatedByUser, resumed: true, state: "COMPLETED", ends: "ok", pods: 2,
		},
		{
			name: "rejected by an admission check", script: "true", prepare: withQueue("batch", "admissionChecks: [{name: NAME}]"),
			act: checkRejects, state: "CRASHED", ends: "invalid", pods: 0, says: "were rejected",
		},
		{
			name: "partial admission", script: "echo index $JOB_COMPLETION_INDEX",
			spec: "{completionMode: Indexed, completions: 3, parallelism: 3}", many: true, prepare: withQueue("batch", ""),
			metadata: `{labels: {kueue.x-k8s.io/queue-name: batch}, annotations: {kueue.x-k8s.io/job-min-parallelism: "1",
  kueue.x-k8s.io/job-completions-equal-parallelism: "true"}}`,
			state: "COMPLETED", ends: "ok", pods: 1, says: "1 of the 3 indexes",
		},
		{
			name: "Kueue's webhook away at the creation", script: "echo through", prepare: queueWithoutWebhook,
			act: webhookBack("failed calling webhook"), state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "Kueue's webhook away at the end", script: gated, prepare: withQueue("batch", ""),
			act: endedWithoutWebhook, state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "Kueue's webhook away at a cancel", script: gated, prepare: withQueue("batch", ""),
			act: cancelledWithoutWebhook, unseen: true, state: "CANCELLED", ends: "cancelled", pods: 1,
		},
		{
			name: "queued, and explained by events alone", script: gated, kube: true, prepare: withoutWorkloads, act: waitsForQuotaByEvents,
			state: "COMPLETED", ends: "ok", pods: 2,
		},
		{
			name: "Kueue's maximum execution time, by events alone", script: gated, kube: true, prepare: withoutWorkloads,
			metadata: `labels: {kueue.x-k8s.io/queue-name: batch, kueue.x-k8s.io/max-exec-time-seconds: "3"}`,
			state:    "FAILED", ends: "deadline", pods: 1, says: "exceeding the maximum execution time",
		},
		{
			name: "taken over while it is queued", script: gated, prepare: withQueue("batch", ""), act: takenOverQueued,
			state: "COMPLETED", ends: "ok", pods: 2,
		},
	}
	for i := range rows {
		row := &rows[i]
		row.labels = managed
		if row.metadata == "" {
			row.metadata = inBatch
		}
		row.container = takesAll
	}
	return rows
}

// kueue reaches resources of Kueue.
func (p *scenarioTest) kueue(resource string) dynamic.NamespaceableResourceInterface {
	p.t.Helper()
	client, err := dynamic.NewForConfig(p.cluster.config)
	p.must(err)
	return client.Resource(schema.GroupVersionResource{Group: "kueue.x-k8s.io", Version: "v1beta2", Resource: resource})
}

// queueObjects are a LocalQueue with a ClusterQueue of 100m CPU and two priorities; NAME is that of the namespace, QUEUE the
// LocalQueue's.
const queueObjects = `
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: NAME}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: NAME}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}
  queueingStrategy: BestEffortFIFO
  preemption: {withinClusterQueue: LowerPriority}
  resourceGroups: [{coveredResources: [cpu, memory], flavors: [{name: NAME, resources: [{name: cpu, nominalQuota: 100m}, {name: memory, nominalQuota: 10Gi}]}]}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: WorkloadPriorityClass
metadata: {name: NAME-low}
value: 10
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: WorkloadPriorityClass
metadata: {name: NAME-high}
value: 1000
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: QUEUE, namespace: NAME}
spec: {clusterQueue: NAME}
`

// withQueue makes a LocalQueue of that name, with more fields of its ClusterQueue.
func withQueue(queue, more string) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.requireKueue()
		p.variables = map[string]any{"namespace": p.jobs, "priority": "low"}
		if strings.Contains(more, "admissionChecks") {
			p.applyKueue("admissionchecks", `
apiVersion: kueue.x-k8s.io/v1beta2
kind: AdmissionCheck
metadata: {name: NAME}
spec: {controllerName: e2e.berth.dev/check}`)
			p.patchStatus("admissionchecks", "", p.jobs, `{"status":{"conditions":[{"type":"Active","status":"True",`+
				`"reason":"Active","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
			more = "admissionChecksStrategy: {" + more + "}"
		}
		for _, text := range strings.Split(queueObjects, "\n---\n") {
			kind := kindOf(p, text)
			if kind == "ClusterQueue" && more != "" {
				text += "\n  " + more
			}
			p.applyKueue(strings.ToLower(kind)+plural(kind), strings.ReplaceAll(text, "QUEUE", queue))
		}
	}
}

func plural(kind string) string {
	if strings.HasSuffix(kind, "s") {
		return "es"
	}
	return "s"
}

func kindOf(p *scenarioTest, text string) string {
	var object struct{ Kind string }
	p.must(yaml.Unmarshal([]byte(text), &object))
	return object.Kind
}

// requireKueue stops the test where there is no Kueue.
func (p *scenarioTest) requireKueue() {
	p.t.Helper()
	if _, err := p.client.Discovery().ServerResourcesForGroupVersion("kueue.x-k8s.io/v1beta2"); err != nil {
		testenv.Missing(p.t, "no Kueue in the cluster: `go -C e2e/cluster run . kueue` runs it")
	}
}

// applyKueue makes an object that is gone when the test has ended.
func (p *scenarioTest) applyKueue(resource, text string) {
	p.t.Helper()
	object := &unstructured.Unstructured{}
	p.must(yaml.Unmarshal([]byte(strings.ReplaceAll(text, "NAME", p.jobs)), &object.Object))
	client := p.kueue(resource).Namespace(object.GetNamespace())
	_, err := client.Create(p.t.Context(), object, metav1.CreateOptions{})
	p.must(err)
	ctx := context.WithoutCancel(p.t.Context())
	p.t.Cleanup(func() {
		if err := client.Delete(ctx, object.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			p.t.Errorf("delete %s %s: %v", resource, object.GetName(), err)
		}
	})
}

func (p *scenarioTest) patchStatus(resource, namespace, name, patch string) {
	p.t.Helper()
	_, err := p.kueue(resource).Namespace(namespace).
		Patch(p.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	p.must(err)
}

// awaitWords waits until a run that has not ended says what it waits for, to `berth run explain` too.
func (p *scenarioTest) awaitWords(id string, words ...string) {
	p.t.Helper()
	last := ""
	eventually(p.t, fmt.Sprintf("run %s to say %q", id, words), func() (bool, error) {
		r := p.show(p.t, id)
		last = messagesOf(r)
		return r.Run.State.Type == "PENDING" && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(last, w) }), nil
	})
	contains(p.t, "run explain", p.ok(p.t, "run", "explain", id), words...)
}

// another starts another run of the deployment.
func (p *scenarioTest) another(args ...string) string {
	p.t.Helper()
	id := p.start(p.t, "play", args...)
	p.others = append(p.others, id)
	return id
}

// openGateOf lets the script of a run continue.
func (p *scenarioTest) openGateOf(id string) {
	p.t.Helper()
	p.exec(p.t, p.runningPod(p.t, p.jobs, id), "touch", "/tmp/gate")
}

func (p *scenarioTest) queueNames() []string {
	return []string{`LocalQueue "batch"`, fmt.Sprintf("ClusterQueue %q", p.jobs)}
}

// withoutWorkloads is for a worker without the right to read what Kueue has.
func withoutWorkloads(p *scenarioTest) {
	withQueue("batch", "")(p)
	readsKueue := func(r *http.Request, _ string) bool { return strings.Contains(r.URL.Path, "/kueue.x-k8s.io/") }
	kubeFault(1<<20, readsKueue, answerWith(http.StatusForbidden, "Forbidden"))(p)
}

func waitsForQuotaByEvents(p *scenarioTest) {
	p.awaitRunningPod()
	second := p.another()
	p.awaitWords(second, "Kueue: couldn't assign flavors", "insufficient unused quota for cpu")
	p.openGate()
	p.openGateOf(second)
	p.end(p.t, second, "COMPLETED")
}

func waitsForQuota(p *scenarioTest) {
	p.awaitRunningPod()
	second := p.another()
	p.awaitWords(second, append(p.queueNames(), "insufficient unused quota for cpu")...)
	p.openGate()
	p.openGateOf(second)
	p.end(p.t, second, "COMPLETED")
}

// preemptedByKueue starts a run of higher priority, which takes the quota.
func preemptedByKueue(p *scenarioTest) {
	p.awaitRunningPod()
	p.logsHave(p.t, p.id, "waiting") // the trap is set
	more := p.another("--job-variable", "priority=high")
	p.awaitWords(p.id, "preempted by Kueue: Preempted to accommodate a workload")
	contains(p.t, "run events", p.ok(p.t, "run", "events", p.id), "preempted by Kueue: Preempted to accommodate a workload")
	p.openGateOf(more)
	p.end(p.t, more, "COMPLETED")
	p.openGate()
	p.logsHave(p.t, p.id, "[berth] pod ")
}

func queueNamedLater(p *scenarioTest) {
	p.awaitRun("the run to wait", func(r run) bool { return strings.Contains(messagesOf(r), "Kueue's LocalQueue") })
	for _, j := range p.cluster.jobs(p.t, p.jobs, p.id) {
		patch := []byte(`{"metadata":{"labels":{"kueue.x-k8s.io/queue-name":"batch"}}}`)
		_, err := p.client.BatchV1().Jobs(p.jobs).Patch(p.t.Context(), j.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		p.must(err)
	}
}

// stopQueue sets the stop policy of the ClusterQueue.
func (p *scenarioTest) stopQueue(policy string) {
	p.t.Helper()
	_, err := p.kueue("clusterqueues").Patch(p.t.Context(), p.jobs, types.MergePatchType,
		[]byte(`{"spec":{"stopPolicy":"`+policy+`"}}`), metav1.PatchOptions{})
	p.must(err)
}

func heldAndReleased(p *scenarioTest) {
	p.awaitRunningPod()
	p.stopQueue("HoldAndDrain")
	p.awaitWords(p.id, "stopped by Kueue: The ClusterQueue is stopped")
	p.stopQueue("None")
	p.openGate()
}

// workload is the name of the run's Workload.
func (p *scenarioTest) workload() string {
	p.t.Helper()
	list, err := p.kueue("workloads").Namespace(p.jobs).List(p.t.Context(), metav1.ListOptions{})
	p.must(err)
	if len(list.Items) != 1 {
		p.t.Fatalf("there are %d Workloads, want 1", len(list.Items))
	}
	return list.Items[0].GetName()
}

func (p *scenarioTest) setActive(name, active string) {
	p.t.Helper()
	_, err := p.kueue("workloads").Namespace(p.jobs).Patch(p.t.Context(), name, types.MergePatchType,
		[]byte(`{"spec":{"active":`+active+`}}`), metav1.PatchOptions{})
	p.must(err)
}

func deactivatedByUser(p *scenarioTest) {
	p.awaitRunningPod()
	name := p.workload()
	p.setActive(name, "false")
	p.awaitWords(p.id, "was deactivated by a user")
	p.setActive(name, "true")
	p.openGate()
}

func checkRejects(p *scenarioTest) {
	p.awaitWords(p.id, fmt.Sprintf("waits for admission check %q", p.jobs))
	p.patchStatus("workloads", p.jobs, p.workload(), `{"status":{"admissionChecks":[{"name":"`+p.jobs+
		`","state":"Rejected","message":"no money left","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
}

// takeWebhookAway makes the API server ask a webhook like Kueue's that is nowhere, for Jobs of the namespace.
func (p *scenarioTest) takeWebhookAway() (back func()) {
	p.t.Helper()
	nowhere, fail, none := "https://127.0.0.1:1/", admissionv1.Fail, admissionv1.SideEffectClassNone
	webhooks := p.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	configuration := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: p.jobs},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "vjob.kb.io", FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			ClientConfig:      admissionv1.WebhookClientConfig{URL: &nowhere},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: p.jobs}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"}},
			}},
		}},
	}
	_, err := webhooks.Create(p.t.Context(), configuration, metav1.CreateOptions{})
	p.must(err)
	ctx := context.WithoutCancel(p.t.Context())
	remove := func() {
		if err := webhooks.Delete(ctx, p.jobs, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			p.t.Error(err)
		}
	}
	p.t.Cleanup(remove)
	eventually(p.t, "the webhook to be away", func() (bool, error) { return p.webhookIsAway(), nil })
	return func() {
		remove()
		eventually(p.t, "the webhook to be back", func() (bool, error) { return !p.webhookIsAway(), nil })
	}
}

// webhookIsAway asks with a Job that is not created.
func (p *scenarioTest) webhookIsAway() bool {
	probe := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-"}}
	probe.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "none", Image: "none"}},
	}
	_, err := p.client.BatchV1().Jobs(p.jobs).Create(p.t.Context(), probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err != nil && strings.Contains(err.Error(), "failed calling webhook")
}

func queueWithoutWebhook(p *scenarioTest) {
	withQueue("batch", "")(p)
	p.back = p.takeWebhookAway()
}

// webhookBack waits until the run says what blocks it.
func webhookBack(words string) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		p.awaitWords(p.id, words)
		p.back()
	}
}

func endedWithoutWebhook(p *scenarioTest) {
	p.awaitRunningPod()
	back := p.takeWebhookAway()
	p.openGate()
	p.awaitRun("the end of the run", hasEnded) // recorded although the Job cannot be changed
	back()
}

func cancelledWithoutWebhook(p *scenarioTest) {
	p.awaitRunningPod()
	back := p.takeWebhookAway()
	p.ok(p.t, "run", "cancel", p.id)
	p.awaitRun("the end of the run", hasEnded)
	eventually(p.t, "the pod to be gone", func() (bool, error) { return len(p.currentPods()) == 0, nil })
	back()
}

func takenOverQueued(p *scenarioTest) {
	p.awaitRunningPod()
	second := p.another()
	p.awaitWords(second, "insufficient unused quota")
	p.first.kill(p.t)
	p.worker("second")
	p.openGate()
	p.openGateOf(second)
	p.end(p.t, second, "COMPLETED")
}
