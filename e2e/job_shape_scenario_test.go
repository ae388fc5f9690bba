package e2e

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// indexed is a Job of three indexes that run side by side.
	indexed = `completionMode: Indexed, completions: 3, parallelism: 3`
	// tries is how often the index has failed before, as $TRIES.
	tries = `env: [{name: TRIES, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"}}}]`
	// waits runs until it is told to stop, and then says so with its exit code.
	waits = `trap "exit 9" TERM; while true; do sleep 0.1; done`
	// pinned bypasses the scheduler, so that only the kubelet can refuse the pod.
	pinned = `{nodeName: "{{ node }}"}`
)

// jobShapeScenarios are rows about Jobs that are not one pod, that retry by themselves, and about pods that end
// in unusual ways.
func jobShapeScenarios() []scenario {
	return append(indexedScenarios(), []scenario{
		{
			name: "OnFailure", script: "exit 3", pod: "restartPolicy: OnFailure", state: "FAILED", ends: "app", pods: 1,
			says: "exited with code 3",
		},
		{
			name: "OnFailure kept by the policy", config: "policy: {restarts: kubelet}", spec: "backoffLimit: 1",
			script: "exit 3", pod: "restartPolicy: OnFailure", state: "FAILED", ends: "app", pods: 1,
			says: `container "job" exited with code 3; restarts: 1`,
		},
		{
			name: "OnFailure kept by the policy, and overcome", config: "policy: {restarts: kubelet}", spec: "backoffLimit: 3",
			script:    `[ -e /data/tried ] && exit 0; touch /data/tried; exit 3`,
			pod:       `{restartPolicy: OnFailure, securityContext: {fsGroup: 65532}, volumes: [{name: data, emptyDir: {}}]}`,
			container: `volumeMounts: [{name: data, mountPath: /data}]`, state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "OnFailure, suspended and resumed at once", config: "policy: {restarts: kubelet}", resumed: true,
			spec: "backoffLimit: 3", pod: `{restartPolicy: OnFailure, terminationGracePeriodSeconds: 4}`,
			script: `trap "" TERM; echo up; until [ -e /tmp/gate ]; do sleep 0.1; done`, act: suspendedDeaf,
			state: "COMPLETED", ends: "ok", pods: 2,
		},
		{
			name: "a template's own podFailurePolicy", script: "exit 42",
			spec:  `podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {containerName: job, operator: In, values: [42]}}]}`,
			state: "FAILED", ends: "app", pods: 1, says: "exited with code 42",
		},
		{
			name: "a work queue", spec: "parallelism: 2", script: "echo shared", many: true, state: "COMPLETED", ends: "ok",
			pods: 2,
		},
		{
			name: "a work queue whose pods fail", spec: "parallelism: 2", many: true, script: `sleep 1; exit 3`, state: "FAILED",
			ends: "app", pods: 2, says: "exited with code 3",
		},
		{
			name:   "a child out of memory, and exit code 0",
			script: `(x=a; while true; do x=$x$x; done); exit 0`, container: `resources: {limits: {memory: "{{ memory }}Mi"}}`,
			state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "a container that fails after success", script: "exit 0",
			pod:   `{containers: [{}, {name: proxy, image: "busybox:1.36", command: [sh, -c, "sleep 2; exit 1"]}]}`,
			state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "refused by its kubelet, and run again", script: "true", pod: pinned, prepare: pinToNode,
			container: `resources: {requests: {cpu: '{{ ternary "900" "10m" (eq .ctx.run.attempt 1) }}'}}`,
			state:     "COMPLETED", ends: "evicted ok", pods: 2, says: "(OutOfcpu)",
		},
		{
			name: "a node that does not match, and another attempt", script: "true", prepare: pinToNode,
			pod:   `{nodeName: "{{ node }}", nodeSelector: '{{ ternary (dict "e2e.berth.dev/none" "here") absent (eq .ctx.run.attempt 1) }}'}`,
			state: "COMPLETED", ends: "evicted ok", pods: 2, says: "(NodeAffinity)",
		},
		{
			name: "over its own storage limit", container: `resources: {limits: {ephemeral-storage: 4Mi}}`,
			script: `dd if=/dev/zero of=/tmp/full bs=1M count=40; ` + gated, state: "FAILED", ends: "app", pods: 1,
			says: "storage",
		},
		{
			name: "the pod deleted by hand, and run again by policy", config: "policy: {pod_deleted: reschedule}",
			script: gatedOnce, act: podDeleted, state: "COMPLETED", ends: "evicted ok", pods: 2,
			says: "was deleted by someone other than Berth",
		},
		{
			// The server leaves a Job to the worker whose template asks for something of the worker.
			name: "an argument that no program takes", script: "true #" + strings.Repeat("x", 140_000), state: "CRASHED",
			metadata: `annotations: {made-by: "{{ ctx.worker.name }}"}`,
			ends:     "invalid", pods: 0, says: "Linux starts no program with one above",
		},
		{
			name: "a large environment of small variables", config: largeEnvironment(100, 3000), script: `[ ${#BIG_99} = 3000 ]`,
			state: "COMPLETED", ends: "ok", pods: 1,
		},
	}...)
}

// largeEnvironment sets so many variables of so many bytes.
func largeEnvironment(count, size int) string {
	var text strings.Builder
	text.WriteString("env:\n")
	for i := range count {
		fmt.Fprintf(&text, "  BIG_%d: %s\n", i, strings.Repeat("x", size))
	}
	return text.String()
}

func indexedScenarios() []scenario {
	spec := func(more string) string {
		if more != "" {
			more = ", " + more
		}
		return "{" + indexed + more + "}"
	}
	return []scenario{
		{
			name: "indexed", spec: spec(""), script: `echo "index $JOB_COMPLETION_INDEX"`, many: true, act: indexesAre("0-2", ""), state: "COMPLETED",
			ends: "ok", pods: 3,
		},
		{
			name: "indexed, with one failing index", spec: spec(""), many: true,
			script: `[ "$JOB_COMPLETION_INDEX" = 1 ] && sleep 2 && exit 3; ` + waits, state: "FAILED", ends: "app", pods: 3,
			says: `index 1: container "job" exited with code 3`,
		},
		{
			name: "an index that fails once", spec: spec("backoffLimitPerIndex: 1"), many: true, container: tries,
			script: `[ "$JOB_COMPLETION_INDEX" = 1 ] && [ "$TRIES" = 0 ] && exit 3; exit 0`, state: "COMPLETED", ends: "ok", pods: 4,
		},
		{
			name: "an index that fails for good", spec: spec("backoffLimitPerIndex: 1"), many: true, act: indexesAre("0,2", "1"),
			script: `[ "$JOB_COMPLETION_INDEX" = 1 ] && exit 3; exit 0`, state: "FAILED", ends: "app", pods: 4,
			says: `index 1: container "job" exited with code 3`,
		},
		{
			name: "too many failed indexes", spec: spec("backoffLimitPerIndex: 0, maxFailedIndexes: 1"), many: true,
			script: `[ "$JOB_COMPLETION_INDEX" = 2 ] || exit 4; ` + waits, state: "FAILED", ends: "app", pods: 3,
			says: "2 indexes failed; index 0:",
		},
		{
			name: "an index that its policy does not retry", many: true,
			spec: spec("backoffLimitPerIndex: 3, podFailurePolicy: {rules: " +
				"[{action: FailIndex, onExitCodes: {containerName: job, operator: In, values: [42]}}]}"),
			script: `[ "$JOB_COMPLETION_INDEX" = 0 ] && exit 42; exit 0`, state: "FAILED", ends: "app", pods: 3,
			says: `index 0: container "job" exited with code 42`,
		},
		{
			name: "indexes of which one is enough", spec: spec(`successPolicy: {rules: [{succeededIndexes: "0", succeededCount: 1}]}`),
			many: true, script: `[ "$JOB_COMPLETION_INDEX" = 0 ] && sleep 2 && exit 0; ` + waits, state: "COMPLETED", ends: "ok", pods: 3,
		},
		{
			name: "an index that is evicted, and replaced by the Job", many: true, act: indexReplaced,
			spec: spec("podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {containerName: job, operator: In, values: [42]}}, " +
				"{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]}"),
			script: gated, state: "COMPLETED", ends: "ok", pods: 4,
		},
		{
			name: "an index that is evicted, and another attempt", many: true, act: oneIndexEvicted, spec: spec(""),
			script: gatedOnce, state: "COMPLETED", ends: "evicted ok", pods: 6, says: "index 1: pod",
		},
	}
}

// podOfIndex waits for the running pod of an index.
func (p *scenarioTest) podOfIndex(index int) (found corev1.Pod) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("the pod of index %d to run", index), func() (bool, error) {
		for _, pod := range p.currentPods() {
			if pod.Labels["batch.kubernetes.io/job-completion-index"] == fmt.Sprint(index) &&
				pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
				found = pod
				return true, nil
			}
		}
		return false, nil
	})
	return found
}

func oneIndexEvicted(p *scenarioTest) { p.evict(p.podOfIndex(1)) }

// indexReplaced evicts the pod of one index, and opens the gates of all when it has been replaced.
func indexReplaced(p *scenarioTest) {
	pod := p.podOfIndex(1)
	p.evict(pod)
	eventually(p.t, "another pod of index 1", func() (bool, error) { return p.podOfIndex(1).UID != pod.UID, nil })
	for index := range 3 {
		p.exec(p.t, p.podOfIndex(index), "touch", "/tmp/gate")
	}
}

// suspendedDeaf suspends and resumes a Job whose pod ignores SIGTERM, and checks that the second pod was made
// after the first had ended.
func suspendedDeaf(p *scenarioTest) {
	first := p.awaitRunningPod()
	p.logsHave(p.t, p.id, "up") // the trap for SIGTERM is set
	p.suspend("true")
	eventually(p.t, "the first pod to be told to stop", func() (bool, error) {
		pods := p.currentPods()
		return len(pods) == 1 && pods[0].DeletionTimestamp != nil, nil
	})
	p.suspend("false")
	var second corev1.Pod
	eventually(p.t, "another pod", func() (bool, error) {
		second = p.awaitRunningPod()
		return second.UID != first.UID, nil
	})
	p.exec(p.t, second, "touch", "/tmp/gate")
	p.awaitRun("the end of the run", hasEnded)
	p.census.mu.Lock()
	defer p.census.mu.Unlock()
	last := p.census.now[p.id+"/1"].past[first.Name]
	if last == nil || len(last.Status.ContainerStatuses) == 0 || last.Status.ContainerStatuses[0].State.Terminated == nil {
		p.t.Fatalf("the first pod was never seen ended: %+v", last)
	}
	if ended := last.Status.ContainerStatuses[0].State.Terminated.FinishedAt; second.CreationTimestamp.Before(&ended) {
		p.t.Errorf("the second pod was made at %s, before the first had ended at %s", second.CreationTimestamp, ended)
	}
}

// indexesAre checks which indexes the attempt says have succeeded and failed.
func indexesAre(succeeded, failed string) func(p *scenarioTest) {
	return func(p *scenarioTest) {
		r := p.awaitRun("the end of the run", hasEnded)
		got := r.Attempts[len(r.Attempts)-1].Indexes
		if got.Total != 3 || got.SucceededIndexes != succeeded || got.FailedIndexes != failed {
			p.t.Errorf("the indexes are %+v, want %q succeeded and %q failed", got, succeeded, failed)
		}
		if text := p.ok(p.t, "run", "get", p.id); !strings.Contains(text, "of 3 indexes succeeded") {
			p.t.Errorf("run get does not tell the indexes:\n%s", text)
		}
	}
}

// pinToNode lets the template name a node of the cluster.
func pinToNode(p *scenarioTest) {
	nodes, err := p.client.CoreV1().Nodes().List(p.t.Context(), metav1.ListOptions{})
	p.must(err)
	for _, node := range nodes.Items {
		if _, fake := node.Labels["e2e.berth.dev/lost"]; !fake {
			p.variables = map[string]any{"node": node.Name}
			return
		}
	}
	p.t.Fatal("there is no node")
}
