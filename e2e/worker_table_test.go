package e2e

import "testing"

// A scenario is a row of the table: what is run, what is done to it, and what must come of it.
type scenario struct {
	name string
	// config, spec, pod and container are YAML mappings that are laid over the template: job_configuration,
	// the Job's spec, its pod's, and that of the job container.
	config, spec, pod, container string
	script                       string
	deployment                   string // a YAML mapping that is laid over the deployment
	labels                       map[string]string
	flags                        []string // of the worker
	kube, server                 bool     // the first worker goes through a proxy to the API server, to the server
	idle                         bool     // no worker is started
	alone                        bool     // nothing else runs beside it
	unseen                       bool     // how it ended is not to be seen in the Job
	resumed                      bool     // one Job has pods one after the other, as whoever resumes it wants
	prepare, act                 func(p *play)

	// What must come of it.
	state string
	ends  string // how each attempt ended: a category, or ok
	pods  int    // that ever were, of all attempts
	says  string // in the messages and diagnoses of the attempts
	logs  []string
}

// gatedOnce waits for the gate in its first attempt and is done at once in any other.
const gatedOnce = `[ "$BERTH_ATTEMPT" = 1 ] || exit 0; ` + gated

const (
	noRetries = `retries: {infrastructure_max: 0}`
	nowhere   = `nodeSelector: {e2e.berth.dev/none: here}`
	lostNode  = `{tolerations: [{key: e2e.berth.dev/lost, operator: Exists},
  {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 1},
  {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}],
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: e2e.berth.dev/lost, operator: Exists}]}}]}}}`
)

// scenarios are all rows. Those of a worker that is killed at a step are made by killed.
func scenarios() []scenario {
	rows := []scenario{
		{name: "normal", script: "echo done", state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"done\n"}},
		{name: "exit code", script: "exit 3", state: "FAILED", ends: "app", pods: 1, says: "exited with code 3"},
		{name: "out of memory, then more of it", script: `[ "$BERTH_ATTEMPT" = 2 ] && exit 0; sleep 1; x=a; while true; do x=$x$x; done`,
			container:  `resources: {limits: {memory: "{{ memory }}Mi"}}`,
			deployment: "retries: {max: 0, delay_seconds: 0, oom: {max: 1, variable: memory, factor: 2}}",
			act:        memoryIsRaised, state: "COMPLETED", ends: "oom ok", pods: 2, says: "limit 32Mi"},

		{name: "evicted, and run again", script: gatedOnce, act: evicted, state: "COMPLETED", ends: "evicted ok", pods: 2, says: "EvictionByEvictionAPI"},
		{name: "evicted, and ended by the pool's policy", config: "policy: {eviction: fail}", script: gated, act: evicted, state: "CRASHED", ends: "evicted", pods: 1},
		{name: "evicted while no worker ran, and run again", script: gatedOnce, act: evictedUnseen, state: "COMPLETED", ends: "evicted ok", pods: 2},
		{name: "evicted while no worker ran, and ended by the pool's policy", config: "policy: {eviction: fail}", script: gated, act: evictedUnseen,
			state: "CRASHED", ends: "evicted", pods: 1},
		{name: "a pod that exits 0 when it is evicted", script: `[ "$BERTH_ATTEMPT" = 1 ] || exit 0; trap "exit 0" TERM; echo up; while true; do sleep 0.1; done`,
			act: evictedPolitely, state: "COMPLETED", ends: "evicted ok", pods: 2, says: "exited with code 0 when it was told to stop"},
		{name: "preempted by priority", script: gatedOnce, container: `resources: {limits: {e2e.berth.dev/seat: 1}}`, prepare: oneSeat, act: preempted,
			state: "COMPLETED", ends: "preempted ok", pods: 2},
		{name: "node lost, waited for", script: gatedOnce, pod: lostNode, prepare: fakeNode, act: nodeLostThenRemoved, state: "COMPLETED", ends: "node_lost ok", pods: 2},
		{name: "node lost, removed by force", config: "policy: {node_lost: force, node_lost_after_seconds: 30}", script: gatedOnce, pod: lostNode, prepare: fakeNode, act: nodeLost,
			state: "COMPLETED", ends: "node_lost ok", pods: 2, says: "does not confirm"},

		{name: "an image that does not exist", config: "policy: {wait_seconds: {image_pull: 5}}", deployment: noRetries, script: "true", container: "image: registry.invalid/no/such:1",
			state: "CRASHED", ends: "image_pull", pods: 1, says: "registry.invalid/no/such:1"},
		{name: "unschedulable", config: "policy: {wait_seconds: {unschedulable: 3}}", deployment: noRetries, script: "true", pod: nowhere,
			state: "CRASHED", ends: "unschedulable", pods: 1, says: "no node can run the pod"},
		{name: "a Secret that is missing", config: "policy: {wait_seconds: {config: 3}}", script: "true", container: "envFrom: [{secretRef: {name: none}}]",
			state: "CRASHED", ends: "config", pods: 1, says: `secret "none" not found`},
		{name: "quota exceeded, and freed later", script: "true", prepare: noJobsAllowed, act: quotaFreed, state: "COMPLETED", ends: "ok", pods: 1},
		{name: "pods that a quota refuses", config: "policy: {wait_seconds: {quota: 4}}", deployment: noRetries, script: "true", prepare: noPodsAllowed,
			state: "CRASHED", ends: "quota", pods: 0, says: "quota does not allow the pod"},
		{name: "refused by admission", script: "true", prepare: admissionRefuses, state: "CRASHED", ends: "invalid", pods: 0, says: "not on a Tuesday"},
		{name: "deadline", script: "sleep 600", spec: "activeDeadlineSeconds: 2", state: "FAILED", ends: "deadline", pods: 1, says: "activeDeadlineSeconds (2 s)"},
		{name: "a pod that Pod Security refuses", labels: restricted, config: "policy: {wait_seconds: {config: 4}}", script: "true", pod: "securityContext: null",
			container: "securityContext: null", state: "CRASHED", ends: "config", pods: 0, says: "Pod Security level rejects the pod"},
		{name: "a ServiceAccount that is missing", config: "policy: {wait_seconds: {config: 4}}", script: "true", pod: "serviceAccountName: nobody",
			state: "CRASHED", ends: "config", pods: 0, says: "ServiceAccount is missing"},
		{name: "suspended, and resumed later", script: "true", spec: "suspend: true", act: resumed, state: "COMPLETED", ends: "ok", pods: 1},
		{name: "suspended while it runs, and resumed later", script: `trap "exit 143" TERM; ` + gated, act: suspendedRunning, resumed: true, state: "COMPLETED", ends: "ok", pods: 2},

		{name: "the Job deleted in the background", script: gated, act: jobDeleted("Background"), state: "CRASHED", ends: "deleted", pods: 1},
		{name: "the Job deleted in the foreground", script: gated, act: jobDeleted("Foreground"), state: "CRASHED", ends: "deleted", pods: 1},
		{name: "the Job deleted and its pods orphaned", script: gated, act: jobDeleted("Orphan"), state: "CRASHED", ends: "deleted", pods: 1},
		{name: "the pod deleted by hand", script: gated, act: podDeleted, state: "CRASHED", ends: "deleted", pods: 1},
		{name: "the namespace deleted, the worker outside of it", script: gated, act: namespaceDeleted, state: "CRASHED", ends: "deleted", pods: 1},
		{name: "the namespace deleted, and the worker with it", script: gated, idle: true, unseen: true, prepare: workerInside, act: namespaceDeletedAround,
			state: "CANCELLED", ends: "cancelled", pods: 1},

		{name: "cancelled before it is claimed", script: "true", idle: true, act: cancelled, state: "CANCELLED", ends: "", pods: 0},
		{name: "cancelled while it waits for a node", script: "true", pod: nowhere, act: cancelledPending, state: "CANCELLED", ends: "cancelled", pods: 1},
		{name: "cancelled while it runs", script: gated, act: cancelledRunning, state: "CANCELLED", ends: "cancelled", pods: 1},
		{name: "cancelled, and deaf to SIGTERM", script: `trap "" TERM; echo up; while true; do sleep 0.1; done`, act: cancelledRunning, state: "CANCELLED", ends: "cancelled", pods: 1},

		{name: "abandoned while its Job runs", script: gated, deployment: noRetries, unseen: true, act: abandonedByHand, state: "CRASHED", ends: "unknown", pods: 1, says: "abandoned by"},

		{name: "ten thousand lines at once", script: `i=0; while [ $i -lt 10000 ]; do echo "line $i"; i=$((i+1)); done`, act: linesAreAllThere(10000), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "a container that dies at once", script: "echo last words; exit 7", state: "FAILED", ends: "app", pods: 1, logs: []string{"last words\n"}},
		{name: "init containers and sidecars", script: "echo main; exit 5", pod: `{
  initContainers: [{name: first, image: "busybox:1.36", command: [sh, -c, "true"]}, {name: native, image: "busybox:1.36", restartPolicy: Always, command: [sleep, "600"]}],
  containers: [{}, {name: proxy, image: "busybox:1.36", command: [sleep, "600"]}]}`, state: "FAILED", ends: "app", pods: 1, says: "exited with code 5", logs: []string{"main\n"}},
		{name: "a second namespace", script: "echo elsewhere", idle: true, prepare: secondNamespace, state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"elsewhere\n"}},
		{name: "two workers on one pool", script: "sleep 1", prepare: secondWorker, act: manyRuns(5), state: "COMPLETED", ends: "ok", pods: 6},
		{name: "the environment as a Secret", script: `[ ${#TOKEN} = 11 ] && echo "got it"`, config: "{policy: {env_as_secret: true}, env: {TOKEN: xyzzy-plugh}}", act: nothingShows("xyzzy"),
			state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"got it\n"}},

		{name: "the server away for many leases", script: gated, act: serverAway, state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"waiting\n", "through\n"}},
		{name: "the API server restarted", script: gated, alone: true, act: apiServerRestarted, state: "COMPLETED", ends: "ok", pods: 1},
		{name: "output followed across a restart of the API server", script: `i=0; while [ $i -lt 150 ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done`, alone: true, act: followedAcross(150),
			state: "COMPLETED", ends: "ok", pods: 1},

		{name: "409 at the release", script: "true", kube: true, prepare: kubeFault(4, releases, answers(409, "Conflict")), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "410 on every watch for a while", script: "sleep 2", kube: true, prepare: kubeFault(12, watches, answers(410, "Expired")), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "429 at the creation", script: "true", kube: true, prepare: kubeFault(2, creates, answers(429, "TooManyRequests", "Retry-After", "1")), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "500 at the creation", script: "true", kube: true, prepare: kubeFault(3, creates, answers(500, "InternalError")), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "500 at whatever is read", script: "true", kube: true, prepare: kubeFault(10, reads, answers(500, "InternalError")), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "500 at a cancel", script: gated, kube: true, prepare: kubeFault(3, deletes, answers(500, "InternalError")), act: cancelledRunning, state: "CANCELLED", ends: "cancelled", pods: 1},
		{name: "a creation that times out", script: "true", kube: true, prepare: kubeFault(1, creates, hangs), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "creations whose answers are lost", script: "true", kube: true, prepare: kubeFault(3, creates, dropped), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "releases whose answers are lost", script: "true", kube: true, prepare: kubeFault(3, releases, dropped), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "every third connection breaks", script: "sleep 1", kube: true, prepare: everyThirdBreaks, state: "COMPLETED", ends: "ok", pods: 1},
		{name: "reports whose answers are lost", script: "true", server: true, prepare: serverFault(4, anyReport, dropped), state: "COMPLETED", ends: "ok", pods: 1},
		{name: "claims whose answers are lost", script: "true", server: true, prepare: serverFault(2, claims, dropped), state: "COMPLETED", ends: "ok", pods: 1},
	}
	return append(rows, killed()...)
}

// killed are the rows of a worker that is killed (-9) at each step of the launch and of the recording, and
// succeeded by another one: before and after the other side has done what was asked.
func killed() []scenario {
	var rows []scenario
	for _, step := range []struct {
		name     string
		match    matching
		kube     bool
		launch   string
		answered []bool
	}{
		{"the claim is answered", claims, false, "named", []bool{true}},
		{"the manifest is reported", reports("manifest"), false, "named", []bool{false, true}},
		{"the Job is created", creates, true, "named", []bool{false, true}},
		{"the Job is reported", reports("submitted"), false, "named", []bool{false, true}},
		{"a gated Job is created", creates, true, "gated", []bool{false, true}},
		{"a gated Job is released", opens, true, "gated", []bool{false, true}},
		{"the end is reported", reports("ended"), false, "named", []bool{false, true}},
		{"the finalizer is released", releases, true, "named", []bool{false, true}},
	} {
		for _, answered := range step.answered {
			name := "the worker killed before " + step.name
			if answered {
				name = "the worker killed after " + step.name
			}
			rows = append(rows, scenario{
				name: name, script: "echo once", kube: step.kube, server: !step.kube, flags: []string{"--launch", step.launch}, idle: true,
				prepare: killedAt(step.match, step.kube, answered), act: succeeded,
				state: "COMPLETED", ends: "ok", pods: 1, logs: []string{"once\n"},
			})
		}
	}
	return rows
}

// required names the rows that there must be, by name: who takes one out has to say so here, too.
func required() []string {
	return []string{
		"normal", "exit code", "out of memory, then more of it", "evicted, and run again", "evicted, and ended by the pool's policy", "evicted while no worker ran, and run again",
		"evicted while no worker ran, and ended by the pool's policy", "a pod that exits 0 when it is evicted", "preempted by priority", "node lost, waited for", "node lost, removed by force",
		"an image that does not exist", "unschedulable", "a Secret that is missing", "quota exceeded, and freed later", "pods that a quota refuses", "refused by admission", "deadline",
		"the Job deleted in the background", "the Job deleted in the foreground", "the Job deleted and its pods orphaned", "the pod deleted by hand",
		"the namespace deleted, the worker outside of it", "the namespace deleted, and the worker with it", "a pod that Pod Security refuses", "a ServiceAccount that is missing",
		"suspended, and resumed later", "suspended while it runs, and resumed later", "cancelled before it is claimed", "cancelled while it waits for a node", "cancelled while it runs", "cancelled, and deaf to SIGTERM",
		"abandoned while its Job runs", "ten thousand lines at once", "output followed across a restart of the API server", "a container that dies at once", "init containers and sidecars", "a second namespace",
		"two workers on one pool", "the environment as a Secret", "the worker killed after the claim is answered", "the worker killed before the manifest is reported", "the worker killed after the manifest is reported",
		"the worker killed before the Job is created", "the worker killed after the Job is created", "the worker killed before the Job is reported", "the worker killed after the Job is reported",
		"the worker killed before a gated Job is created", "the worker killed after a gated Job is created", "the worker killed before a gated Job is released", "the worker killed after a gated Job is released",
		"the worker killed before the end is reported", "the worker killed after the end is reported", "the worker killed before the finalizer is released", "the worker killed after the finalizer is released",
		"the server away for many leases", "the API server restarted", "409 at the release", "410 on every watch for a while", "429 at the creation", "500 at the creation", "500 at whatever is read",
		"500 at a cancel", "a creation that times out", "creations whose answers are lost", "releases whose answers are lost", "every third connection breaks",
		"reports whose answers are lost", "claims whose answers are lost",
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
	for _, name := range required() {
		if there[name] != 1 {
			t.Errorf("%q is there %d times", name, there[name])
		}
		delete(there, name)
	}
	for name := range there {
		t.Errorf("%q is not among the rows that there must be", name)
	}
}
