package release

import (
	"strings"
	"testing"
)

func TestTheNextStepFitsTheState(t *testing.T) {
	up := []Workload{{"StatefulSet", "berth-server", 1, 1}, {"Deployment", "berth-worker", 2, 2}}
	for _, test := range []struct {
		name      string
		state     string
		workloads []Workload
		want      string // of the first step
		also      string // of any
	}{
		{"all is well", "deployed", up, "port-forward svc/berth-server 4200:http", "berth status -n ns --name berth --test"},
		{"a worker for a server elsewhere", "deployed", up[1:], "berth worker ls", ""},
		{"a pod that is not ready", "deployed", []Workload{up[0], {"Deployment", "berth-worker", 1, 2}}, "kubectl -n ns describe deployment berth-worker", "logs deployment/berth-worker"},
		{"a server that is not ready", "deployed", []Workload{{"StatefulSet", "berth-server", 0, 1}}, "describe statefulset berth-server", ""},
		{"an upgrade that failed", "failed", []Workload{{"StatefulSet", "berth-server", 0, 1}}, "describe statefulset berth-server", "berth upgrade -n ns --name berth"},
		{"an upgrade that failed with nothing to see", "failed", up, "get events", "berth upgrade -n ns --name berth"},
		{"an install under way", "pending-install", nil, "wait", "berth uninstall -n ns --name berth, berth install -n ns --name berth"},
		{"an upgrade under way", "pending-upgrade", up, "wait", "helm -n ns rollback berth"},
		{"an uninstall that stopped", "uninstalling", nil, "berth uninstall -n ns --name berth", ""},
		{"a state that nobody knows", "superseded", up, "get events", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			steps := Status{Name: "berth", Namespace: "ns", State: test.state, Workloads: test.workloads}.Next()
			if len(steps) == 0 || !strings.Contains(steps[0], test.want) || !strings.Contains(strings.Join(steps, "\n"), test.also) {
				t.Errorf("got %q, want %q first, and %q", steps, test.want, test.also)
			}
		})
	}
}
