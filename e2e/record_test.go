package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// recordedAttempt is a Job and its pods with the observation expected of them: test data of
// worker/kube/observe.
type recordedAttempt struct {
	Want map[string]any `json:"want"`
	Job  *batchv1.Job   `json:"job,omitempty"`
	Pods []*corev1.Pod  `json:"pods,omitempty"`
	// Past holds deleted pods as last seen; Stopped the UIDs of pods that were deleted while they ran.
	Past    []*corev1.Pod `json:"past,omitempty"`
	Stopped []types.UID   `json:"stopped,omitempty"`
}

// record writes the Jobs and pods of the ended attempts to the folder that E2E_RECORD names (make record).
func (p *scenarioTest) record(r run) {
	p.t.Helper()
	if p.unseen {
		return
	}
	for _, a := range r.Attempts {
		want := map[string]any{"phase": "ended"}
		if a.Category == "" {
			want["succeeded"] = true
		} else {
			want["category"] = a.Category
		}
		p.writeRecording(a.Number, "", want)
	}
}

// writeRecording writes the Job and pods of one attempt to a file.
func (p *scenarioTest) writeRecording(attempt int, moment string, want map[string]any) {
	p.t.Helper()
	dir := os.Getenv("E2E_RECORD")
	if dir == "" || p.t.Failed() {
		return
	}
	p.census.mu.Lock()
	seen := p.census.held[fmt.Sprintf("%s/%d", p.id, attempt)]
	p.census.mu.Unlock()
	if seen == nil {
		return // there never was a Job
	}
	recorded := recordedAttempt{Want: want, Job: seen.job.DeepCopy()}
	dropManagedFields(&recorded.Job.ObjectMeta)
	recorded.Pods, recorded.Past = sortedPods(seen.pods), sortedPods(seen.past)
	recorded.Stopped = slices.Sorted(maps.Keys(seen.stopped))
	text, err := json.Marshal(recorded)
	p.must(err)
	text, err = yaml.JSONToYAML(text)
	p.must(err)
	p.must(os.MkdirAll(dir, 0o755))
	name := fmt.Sprintf("%s, attempt %d%s.yaml", p.name, attempt, moment)
	p.must(
		os.WriteFile(filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)), text,
			0o644),
	)
}

func sortedPods(pods map[string]*corev1.Pod) []*corev1.Pod {
	var list []*corev1.Pod
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		pod := pods[name].DeepCopy()
		dropManagedFields(&pod.ObjectMeta)
		list = append(list, pod)
	}
	return list
}

// dropManagedFields removes managed fields, which the observation does not use.
func dropManagedFields(meta *metav1.ObjectMeta) { meta.ManagedFields = nil }
