package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

func TestEveryNeedOfAComponentComesBeforeIt(t *testing.T) {
	config := state.Config{NodeCount: 3, Args: map[string][]string{"kubelet-node-2": {"--v=4"}}}
	seen := map[string]bool{}
	for _, component := range components(state.Dir("/c"), config) {
		for _, need := range component.needs {
			if !seen[need] {
				t.Errorf("%s needs %s, which does not come before it", component.name, need)
			}
		}
		if seen[component.name] {
			t.Errorf("there are two components called %s", component.name)
		}
		seen[component.name] = true
		if got, want := slices.Contains(component.args, "--v=4"), component.name == "kubelet-node-2"; got != want {
			t.Errorf("%s has the other one's argument: %v, want %v", component.name, got, want)
		}
	}
	if !seen["kubelet"] || !seen["kubelet-node-3"] {
		t.Errorf("components are %v; want a kubelet for each node", seen)
	}
}

func TestFilesOfANodeCanBeRead(t *testing.T) {
	dir := state.Dir(t.TempDir())
	node := state.Config{}.Nodes()[0]
	if err := os.MkdirAll(dir.Path(node.Name, "cni"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeNodeFiles(dir, node); err != nil {
		t.Fatal(err)
	}
	var network map[string]any
	if err := json.Unmarshal(read(t, dir.Path(node.Name, "cni", "10-pods.conflist")), &network); err != nil {
		t.Errorf("network configuration: %v", err)
	}
	var kubelet struct {
		CgroupRoot   string   `json:"cgroupRoot"`
		ClusterDNS   []string `json:"clusterDNS"`
		FailCgroupV1 *bool    `json:"failCgroupV1"`
	}
	if err := yaml.Unmarshal(read(t, dir.Path(node.Name, "kubelet.yaml")), &kubelet); err != nil {
		t.Fatalf("kubelet configuration: %v", err)
	}
	if kubelet.CgroupRoot != "/"+dir.Cgroup()+"/node-1" ||
		!slices.Equal(kubelet.ClusterDNS, []string{state.DNSIP}) {
		t.Errorf("the kubelet is told %+v", kubelet)
	}
	if kubelet.FailCgroupV1 == nil || *kubelet.FailCgroupV1 {
		t.Error("the kubelet would refuse a machine with version 1 of control groups")
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
