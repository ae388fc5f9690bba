package e2e

import (
	"slices"
	"testing"
)

// A scenario is a row of the table: the workload, the fault and the expected outcome.
type scenario struct {
	name string
	// config, spec, pod and container are YAML mappings merged over the template: over job_configuration, the
	// Job's spec, the pod's spec and the job container.
	config, spec, pod, container string
	metadata                     string // the same over the Job's metadata
	script                       string
	deployment                   string // a YAML mapping merged over the deployment
	labels                       map[string]string
	flags                        []string       // of the worker
	kube, server                 bool           // the first worker goes through a proxy to the API server, to the server
	idle                         bool           // no worker is started
	identify                     bool           // workers find out which cluster it is
	alone                        bool           // nothing else runs beside it
	unseen                       bool           // the Job does not show how the attempt ended
	resumed                      bool           // the Job has several pods in turn, because it is resumed
	many                         bool           // the Job has several pods
	variables                    map[string]any // further job variables, which prepare may add
	prepare, act                 func(p *scenarioTest)

	// The expected outcome.
	state string
	ends  string // the category of each attempt, or ok
	pods  int    // pods that ever existed, over all attempts
	says  string // part of a message or diagnosis of an attempt
	logs  []string
}

// gatedOnce waits for the gate in the first attempt and exits at once in later ones.
const gatedOnce = `[ "$BERTH_ATTEMPT" = 1 ] || exit 0; ` + gated

const (
	noRetries = `retries: {infrastructure_max: 0}`
	nowhere   = `nodeSelector: {e2e.berth.dev/none: here}`
	lostNode  = `{tolerations: [{key: e2e.berth.dev/lost, operator: Exists},
  {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 1},
  {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}],
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: e2e.berth.dev/lost, operator: Exists}]}}]}}}`
)

// scenarios lists every row; killedWorkerScenarios generates the rows in which a worker is killed.
func scenarios() []scenario {
	rows := []scenario{
		{
			name: "normal", script: "echo done", state: "COMPLETED", ends: "ok", pods: 1,
			logs: []string{"done\n"},
		},
		{
			name: "few reports", script: "sleep 2; echo done", server: true, prepare: countedReports,
			state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"done\n"},
		},
		{
			name: "exit code", script: "exit 3", state: "FAILED", ends: "app", pods: 1,
			says: "exited with code 3",
		},
		{
			name:       "out of memory, then more of it",
			script:     `[ "$BERTH_ATTEMPT" = 2 ] && exit 0; sleep 1; x=a; while true; do x=$x$x; done`,
			container:  `resources: {limits: {memory: "{{ memory }}Mi"}}`,
			deployment: "retries: {max: 0, delay_seconds: 0, oom: {max: 1, variable: memory, factor: 2}}",
			act:        checkRaisedMemory, state: "COMPLETED", ends: "oom ok", pods: 2,
			says: "limit 32Mi",
		},

		{
			name: "evicted, and run again", script: gatedOnce, act: evicted, state: "COMPLETED",
			ends: "evicted ok", pods: 2, says: "EvictionByEvictionAPI",
		},
		{
			name: "evicted, and ended by the pool's policy", config: "policy: {eviction: fail}",
			script: gated, act: evicted, state: "CRASHED", ends: "evicted", pods: 1,
		},
		{
			name: "evicted while no worker ran, and run again", script: gatedOnce, act: evictedUnseen,
			state: "COMPLETED", ends: "evicted ok", pods: 2,
		},
		{
			name:   "evicted while no worker ran, and ended by the pool's policy",
			config: "policy: {eviction: fail}", script: gated, act: evictedUnseen, state: "CRASHED",
			ends: "evicted", pods: 1,
		},
		{
			name:   "a pod that exits 0 when it is evicted",
			script: `[ "$BERTH_ATTEMPT" = 1 ] || exit 0; trap "exit 0" TERM; echo up; while true; do sleep 0.1; done`,
			act:    evictedExitingZero, state: "COMPLETED", ends: "evicted ok", pods: 2,
			says: "exited with code 0 when it was told to stop",
		},
		{
			name: "preempted by priority", script: gatedOnce,
			container: `resources: {limits: {e2e.berth.dev/seat: 1}}`, prepare: oneSeat,
			act: preempted, state: "COMPLETED", ends: "preempted ok", pods: 2,
		},
		{
			name: "node lost, waited for", script: gatedOnce, pod: lostNode, prepare: fakeNode,
			act: nodeLostThenRemoved, state: "COMPLETED", ends: "node_lost ok", pods: 2,
		},
		{
			name:   "node lost, removed by force",
			config: "policy: {node_lost: force, node_lost_after_seconds: 30}", script: gatedOnce,
			pod: lostNode, prepare: fakeNode, act: nodeLost, state: "COMPLETED",
			ends: "node_lost ok", pods: 2, says: "does not confirm",
		},

		{
			name: "an image that does not exist", config: "policy: {wait_seconds: {image_pull: 5}}",
			deployment: noRetries, script: "true", container: "image: registry.invalid/no/such:1",
			state: "CRASHED", ends: "image_pull", pods: 1,
			says: "registry.invalid/no/such:1",
		},
		{
			name: "unschedulable", config: "policy: {wait_seconds: {unschedulable: 3}}",
			deployment: noRetries, script: "true", pod: nowhere, state: "CRASHED",
			ends: "unschedulable", pods: 1, says: "no node can run the pod",
		},
		{
			name: "a Secret that is missing", config: "policy: {wait_seconds: {config: 3}}",
			script: "true", container: "envFrom: [{secretRef: {name: none}}]", state: "CRASHED",
			ends: "config", pods: 1, says: `secret "none" not found`,
		},
		{
			name: "quota exceeded, and freed later", script: "true", prepare: noJobsAllowed,
			act: quotaFreed, state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "pods that a quota refuses", config: "policy: {wait_seconds: {quota: 4}}",
			deployment: noRetries, script: "true", prepare: noPodsAllowed, state: "CRASHED",
			ends: "quota", pods: 0, says: "quota does not allow the pod",
		},
		{
			name: "refused by admission", script: "true", prepare: admissionRefuses, state: "CRASHED",
			ends: "invalid", pods: 0, says: "not on a Tuesday",
		},
		{
			name: "deadline", script: "sleep 600", spec: "activeDeadlineSeconds: 2", state: "FAILED",
			ends: "deadline", pods: 1, says: "activeDeadlineSeconds (2 s)",
		},
		{
			name: "a pod that Pod Security refuses", labels: restricted,
			config: "policy: {wait_seconds: {config: 4}}", script: "true",
			pod: "securityContext: null", container: "securityContext: null", state: "CRASHED",
			ends: "config", pods: 0, says: "Pod Security level rejects the pod",
		},
		{
			name: "a ServiceAccount that is missing", config: "policy: {wait_seconds: {config: 4}}",
			script: "true", pod: "serviceAccountName: nobody", state: "CRASHED", ends: "config",
			pods: 0, says: "ServiceAccount does not exist",
		},
		{
			name: "suspended, and resumed later", script: "true", spec: "suspend: true", act: resumed,
			state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "suspended while it runs, and resumed later", script: `trap "exit 143" TERM; ` + gated,
			act: suspendedRunning, resumed: true, state: "COMPLETED", ends: "ok", pods: 2,
		},

		{
			name: "the Job deleted in the background", script: gated, act: jobDeleted("Background"),
			state: "CRASHED", ends: "deleted", pods: 1,
		},
		{
			name: "the Job deleted in the foreground", script: gated, act: jobDeleted("Foreground"),
			state: "CRASHED", ends: "deleted", pods: 1,
		},
		{
			name: "the Job deleted and its pods orphaned", script: gated, act: jobDeleted("Orphan"),
			state: "CRASHED", ends: "deleted", pods: 1,
		},
		{
			name: "the pod deleted by hand", script: gated, act: podDeleted, state: "CRASHED",
			ends: "deleted", pods: 1,
		},
		{
			name: "the namespace deleted, the worker outside of it", script: gated,
			act: namespaceDeleted, state: "CRASHED", ends: "deleted", pods: 1,
		},
		{
			name: "the namespace deleted, and the worker with it", script: gated, idle: true,
			unseen: true, prepare: workerInside, act: namespaceDeletedAround, state: "CANCELLED",
			ends: "cancelled", pods: 1,
		},

		{
			name: "cancelled before it is claimed", script: "true", idle: true, act: cancelled,
			state: "CANCELLED", ends: "", pods: 0,
		},
		{
			name: "cancelled while it waits for a node", script: "true", pod: nowhere,
			act: cancelledPending, state: "CANCELLED", ends: "cancelled", pods: 1,
		},
		{
			name: "cancelled while it runs", script: gated, act: cancelledRunning, state: "CANCELLED",
			ends: "cancelled", pods: 1,
		},
		{
			name:   "cancelled, and deaf to SIGTERM",
			script: `trap "" TERM; echo up; while true; do sleep 0.1; done`, act: cancelledRunning,
			state: "CANCELLED", ends: "cancelled", pods: 1,
		},

		{
			name: "abandoned while its Job runs", script: gated, deployment: noRetries,
			unseen: true, act: abandonedByHand, state: "CRASHED", ends: "unknown",
			pods: 1, says: "abandoned by",
		},

		{
			name:   "ten thousand lines at once",
			script: `i=0; while [ $i -lt 10000 ]; do echo "line $i"; i=$((i+1)); done`,
			act:    checkEveryKeptLine(10000), state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "a container that dies at once", script: "echo last words; exit 7", state: "FAILED",
			ends: "app", pods: 1, logs: []string{"last words\n"},
		},
		{name: "init containers and sidecars", script: "echo main; exit 5", pod: `{
  initContainers: [{name: first, image: "busybox:1.36", command: [sh, -c, "true"]}, {name: native, image: "busybox:1.36", restartPolicy: Always, command: [sleep, "600"]}],
  containers: [{}, {name: proxy, image: "busybox:1.36", command: [sleep, "600"]}]}`, state: "FAILED", ends: "app", pods: 1, says: "exited with code 5", logs: []string{"main\n"}},
		{
			name: "a second namespace", script: "echo elsewhere", idle: true, prepare: secondNamespace,
			state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"elsewhere\n"},
		},
		{
			name: "two workers on one pool", script: "sleep 1", prepare: secondWorker,
			act: manyRuns(5), state: "COMPLETED", ends: "ok", pods: 6,
		},
		{
			name: "the environment as a Secret", script: `[ ${#TOKEN} = 11 ] && echo "got it"`,
			config: "{policy: {env_as_secret: true}, env: {TOKEN: xyzzy-plugh}}",
			act:    checkValueNowhere("xyzzy"), state: "COMPLETED", ends: "ok", pods: 1,
			logs: []string{"got it\n"},
		},

		{
			name: "the server away for many leases", script: gated, act: serverDown, state: "COMPLETED",
			ends: "ok", pods: 1, logs: []string{"waiting\n", "through\n"},
		},
		{
			name: "the API server restarted", script: gated, alone: true, act: apiServerRestarted,
			state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name:   "output followed across a restart of the API server",
			script: `i=0; while [ $i -lt 150 ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done`, alone: true,
			act: restartWhileFollowing(150), state: "COMPLETED", ends: "ok", pods: 1,
		},

		{
			name: "CA rotated", script: gated, identify: true, prepare: beforeRotation, state: "COMPLETED", ends: "ok",
			pods: 1, logs: []string{"waiting\n", "through\n"},
		},

		{
			name: "409 at the release", script: "true", kube: true,
			prepare: kubeFault(4, removesFinalizer, answerWith(409, "Conflict")), state: "COMPLETED",
			ends: "ok", pods: 1,
		},
		{
			name: "410 on every watch for a while", script: "sleep 2", kube: true,
			prepare: kubeFault(12, watchesObjects, answerWith(410, "Expired")), state: "COMPLETED",
			ends: "ok", pods: 1,
		},
		{
			name: "429 at the creation", script: "true", kube: true,
			prepare: kubeFault(2, createsJob, answerWith(429, "TooManyRequests", "Retry-After", "1")),
			state:   "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "500 at the creation", script: "true", kube: true,
			prepare: kubeFault(3, createsJob, answerWith(500, "InternalError")), state: "COMPLETED",
			ends: "ok", pods: 1,
		},
		{
			name: "500 at whatever is read", script: "true", kube: true,
			prepare: kubeFault(10, readsObjects, answerWith(500, "InternalError")), state: "COMPLETED",
			ends: "ok", pods: 1,
		},
		{
			name: "a proxy's page at the creation", script: "true", kube: true,
			prepare: kubeFault(3, createsJob, answerWithPage(404)), state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "logs that hang", script: "echo unheard; exit 4", kube: true,
			prepare: kubeFault(3, readsLogs, neverAnswer), state: "FAILED", ends: "app", pods: 1,
		},
		{
			name: "a long init container, then an image that does not exist", script: "true",
			config: "policy: {wait_seconds: {image_pull: 6}}", deployment: noRetries,
			pod:       `initContainers: [{name: long, image: "busybox:1.36", command: [sleep, "10"]}]`,
			container: "image: registry.invalid/no/such:1", state: "CRASHED", ends: "image_pull", pods: 1,
			says: "gave up after waiting 6s",
		},
		{
			name: "500 at a cancel", script: gated, kube: true,
			prepare: kubeFault(3, deletesObject, answerWith(500, "InternalError")), act: cancelledRunning,
			state: "CANCELLED", ends: "cancelled", pods: 1,
		},
		{
			name: "a creation that times out", script: "true", kube: true,
			prepare: kubeFault(1, createsJob, neverAnswer), state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "creations whose answers are lost", script: "true", kube: true,
			prepare: kubeFault(3, createsJob, dropAnswer), state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "releases whose answers are lost", script: "true", kube: true,
			prepare: kubeFault(3, removesFinalizer, dropAnswer), state: "COMPLETED", ends: "ok",
			pods: 1,
		},
		{
			name: "every third connection breaks", script: "sleep 1", kube: true,
			prepare: breakEveryThirdRequest, state: "COMPLETED", ends: "ok", pods: 1,
		},
		{
			name: "reports whose answers are lost", script: "true", server: true,
			prepare: serverFault(4, reportsAnything, dropAnswer), state: "COMPLETED", ends: "ok",
			pods: 1,
		},
		{
			name: "claims whose answers are lost", script: "true", server: true,
			prepare: serverFault(2, claimsRuns, dropAnswer), state: "COMPLETED", ends: "ok", pods: 1,
		},
	}
	return slices.Concat(rows, jobShapeScenarios(), kueueScenarios(), killedWorkerScenarios())
}

// killedWorkerScenarios generates rows in which the worker is killed (-9) at each step of launching and
// recording, before or after the request of that step took effect, and a second worker takes over.
func killedWorkerScenarios() []scenario {
	var rows []scenario
	for _, step := range []struct {
		name     string
		match    requestMatcher
		kube     bool
		answered []bool
	}{
		{"the claim is answered", claimsRuns, false, []bool{true}},
		{"the Job is created", createsJob, true, []bool{false, true}},
		{"the Job is reported", reportsKind("submitted"), false, []bool{false, true}},
		{"the end is reported", reportsKind("ended"), false, []bool{false, true}},
		{"the finalizer is released", removesFinalizer, true, []bool{false, true}},
	} {
		for _, answered := range step.answered {
			name := "the worker killed before " + step.name
			if answered {
				name = "the worker killed after " + step.name
			}
			rows = append(rows, scenario{
				name: name, script: "echo once", kube: step.kube, server: !step.kube, idle: true,
				prepare: killedAt(step.match, step.kube, answered), act: takenOver,
				state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"once\n"},
			})
		}
	}
	return rows
}

// requiredScenarios names the rows that must exist, so that removing one takes an explicit second edit.
func requiredScenarios() []string {
	return []string{
		"normal", "few reports", "exit code", "out of memory, then more of it", "evicted, and run again", "evicted, and ended by the pool's policy", "evicted while no worker ran, and run again",
		"evicted while no worker ran, and ended by the pool's policy", "a pod that exits 0 when it is evicted", "preempted by priority", "node lost, waited for", "node lost, removed by force",
		"an image that does not exist", "unschedulable", "a Secret that is missing", "quota exceeded, and freed later", "pods that a quota refuses", "refused by admission", "deadline",
		"the Job deleted in the background", "the Job deleted in the foreground", "the Job deleted and its pods orphaned", "the pod deleted by hand",
		"the namespace deleted, the worker outside of it", "the namespace deleted, and the worker with it", "a pod that Pod Security refuses", "a ServiceAccount that is missing",
		"suspended, and resumed later", "suspended while it runs, and resumed later", "cancelled before it is claimed", "cancelled while it waits for a node", "cancelled while it runs", "cancelled, and deaf to SIGTERM",
		"abandoned while its Job runs", "ten thousand lines at once", "output followed across a restart of the API server", "a container that dies at once", "init containers and sidecars", "a second namespace",
		"two workers on one pool", "the environment as a Secret", "the worker killed after the claim is answered",
		"the worker killed before the Job is created", "the worker killed after the Job is created", "the worker killed before the Job is reported", "the worker killed after the Job is reported",
		"the worker killed before the end is reported", "the worker killed after the end is reported", "the worker killed before the finalizer is released", "the worker killed after the finalizer is released",
		"the server away for many leases", "the API server restarted", "CA rotated", "409 at the release", "410 on every watch for a while", "429 at the creation", "500 at the creation", "500 at whatever is read",
		"a proxy's page at the creation", "logs that hang", "a long init container, then an image that does not exist",
		"500 at a cancel", "a creation that times out", "creations whose answers are lost", "releases whose answers are lost", "every third connection breaks",
		"reports whose answers are lost", "claims whose answers are lost",
		"OnFailure", "OnFailure kept by the policy", "OnFailure kept by the policy, and overcome", "OnFailure, suspended and resumed at once", "a template's own podFailurePolicy", "a work queue", "a work queue whose pods fail",
		"a child out of memory, and exit code 0", "a container that fails after success", "refused by its kubelet, and run again", "a node that does not match, and another attempt",
		"over its own storage limit", "the pod deleted by hand, and run again by policy", "an argument that no program takes", "a large environment of small variables", "indexed", "indexed, with one failing index",
		"an index that fails once", "an index that fails for good", "too many failed indexes", "an index that its policy does not retry", "indexes of which one is enough",
		"an index that is evicted, and replaced by the Job", "an index that is evicted, and another attempt",
		"queued until there is quota", "preempted by Kueue, and deaf to SIGTERM", "preempted by Kueue with exit code 7", "preempted by Kueue with exit code 0",
		"the default LocalQueue, preempted with exit code 7", "managed without a queue name", "Kueue's requeuing limit", "Kueue's maximum execution time", "a ClusterQueue on hold",
		"deactivated by a user, and activated again", "rejected by an admission check", "partial admission", "Kueue's webhook away at the creation", "Kueue's webhook away at the end",
		"Kueue's webhook away at a cancel", "queued, and explained by events alone", "Kueue's maximum execution time, by events alone", "taken over while it is queued",
	}
}

func TestNoScenarioIsMissing(t *testing.T) {
	there := map[string]int{}
	for _, s := range scenarios() {
		there[s.name]++
		if s.state == "" || s.script == "" {
			t.Errorf("%q expects nothing", s.name)
		}
	}
	for _, name := range requiredScenarios() {
		if there[name] != 1 {
			t.Errorf("%q is there %d times", name, there[name])
		}
		delete(there, name)
	}
	for name := range there {
		t.Errorf("%q is not among the rows that there must be", name)
	}
}
