package release

import (
	"strings"
	"testing"
)

func TestNextStepsFitTheState(t *testing.T) {
	up := []Workload{{"StatefulSet", "berth-server", 1, 1}, {"Deployment", "berth-worker", 2, 2}}
	for _, test := range []struct {
		name      string
		state     string
		workloads []Workload
		want      string // of the first step
		also      string // of any
	}{
		{"healthy", "deployed", up, "port-forward svc/berth-server 4200:http", "berth status -n ns --name berth --test"},
		{"worker only", "deployed", up[1:], "berth worker ls", ""},
		{"worker not ready", "deployed", []Workload{up[0], {"Deployment", "berth-worker", 1, 2}},
			"kubectl -n ns describe deployment berth-worker", "logs deployment/berth-worker"},
		{"worker scaled to 0", "deployed", []Workload{up[0], {"Deployment", "berth-worker", 0, 0}},
			"kubectl -n ns scale deployment/berth-worker --replicas=1", ""},
		{"server not ready", "deployed", []Workload{{"StatefulSet", "berth-server", 0, 1}}, "describe statefulset berth-server",
			""},
		{"upgrade failed", "failed", []Workload{{"StatefulSet", "berth-server", 0, 1}}, "describe statefulset berth-server",
			"berth upgrade -n ns --name berth"},
		{"upgrade failed, all pods ready", "failed", up, "get events", "berth upgrade -n ns --name berth"},
		{"install in progress", "pending-install", nil, "wait", "berth uninstall -n ns --name berth, berth install -n ns --name berth"},
		{"upgrade in progress", "pending-upgrade", up, "wait", "helm -n ns rollback berth"},
		{"uninstall interrupted", "uninstalling", nil, "berth uninstall -n ns --name berth", ""},
		{"unknown state", "superseded", up, "get events", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			steps := Status{Name: "berth", Namespace: "ns", State: test.state,
				Workloads: test.workloads}.Next()
			if len(steps) == 0 || !strings.Contains(steps[0], test.want) ||
				!strings.Contains(strings.Join(steps, "\n"), test.also) {
				t.Errorf("got %q, want %q first, and %q", steps, test.want, test.also)
			}
		})
	}
}

func TestObjectsAreWhereTheValuesPutThem(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"own":   {"server": map[string]any{}},
		"other": {"namespaceOverride": "other"},
	} {
		if got := objectsNamespace(values, "own"); got != want {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
}

func TestAWorkloadThatIsScaledDownSaysWhatThatMeans(t *testing.T) {
	for name, effect := range map[string]string{
		"berth-server": "nothing answers requests", "berth-worker": "runs wait", "berth-worker-etl": "runs wait", "berth-worker-server": "runs wait",
	} {
		if got := (Status{Workloads: []Workload{{Kind: "Deployment", Name: name}}}).scaledDown(); len(got) != 1 || !strings.HasSuffix(got[0], effect) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
