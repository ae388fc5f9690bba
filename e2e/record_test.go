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

// recording is a Job and its pods with what a worker has to see in them: test data of package worker/kube/observe.
type recording struct {
	Want map[string]any `json:"want"`
	Job  *batchv1.Job   `json:"job,omitempty"`
	Pods []*corev1.Pod  `json:"pods,omitempty"`
	// Past are pods that are gone, as they were last seen; Stopped those that were told to go while they ran.
	Past    []*corev1.Pod `json:"past,omitempty"`
	Stopped []types.UID   `json:"stopped,omitempty"`
}

// record writes down what the attempts looked like when they ended, where E2E_RECORD names a folder (make
// record).
func (p *play) record(r run) {
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
		p.keep(a.Number, "", want)
	}
}

// keep writes one recording.
func (p *play) keep(attempt int, moment string, want map[string]any) {
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
	recorded := recording{Want: want, Job: seen.job.DeepCopy()}
	plain(&recorded.Job.ObjectMeta)
	recorded.Pods, recorded.Past = sorted(seen.pods), sorted(seen.past)
	recorded.Stopped = slices.Sorted(maps.Keys(seen.stopped))
	text, err := json.Marshal(recorded)
	p.must(err)
	text, err = yaml.JSONToYAML(text)
	p.must(err)
	p.must(os.MkdirAll(dir, 0o755))
	name := fmt.Sprintf("%s, attempt %d%s.yaml", p.name, attempt, moment)
	p.must(os.WriteFile(filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)), text, 0o644))
}

func sorted(pods map[string]*corev1.Pod) []*corev1.Pod {
	var list []*corev1.Pod
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		pod := pods[name].DeepCopy()
		plain(&pod.ObjectMeta)
		list = append(list, pod)
	}
	return list
}

// plain takes off what says nothing.
func plain(meta *metav1.ObjectMeta) { meta.ManagedFields = nil }
