package podlog

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// resumePoint is how far the output of an attempt was read, for the worker that takes it over. It goes through the
// server as text.
type resumePoint struct {
	Offset    int64     `json:"o"` // of the next byte of output
	Pod       types.UID `json:"u"`
	PodName   string    `json:"n"`
	Container string    `json:"c"`
	Instance  int32     `json:"i,omitempty"`
	Headed    bool      `json:"h,omitempty"`
	MidLine   bool      `json:"m,omitempty"`
	position
}

// resumePoint is where the follower is now.
func (f *Follower) resumePoint() string {
	text, err := json.Marshal(resumePoint{
		Offset: f.offset, Pod: f.reading.pod, PodName: f.podName, Container: f.reading.container, Instance: f.instance,
		Headed: f.headed, MidLine: f.midLine, position: f.position,
	})
	if err != nil || len(text) > maxResumePoint {
		return "" // an earlier one is as good, with more to read again
	}
	return string(text)
}

// maxResumePoint is the protocol's limit, in bytes.
const maxResumePoint = 1000

// restore continues where an earlier worker had read to. What it handed over later, and the server has, is dropped by
// Output.
func (f *Follower) restore(text string) {
	var point resumePoint
	if text == "" || json.Unmarshal([]byte(text), &point) != nil {
		return // from the beginning: as much of it as the server has is dropped
	}
	f.offset, f.midLine = point.Offset, point.MidLine
	f.restored = &point
}

// skipRead marks everything as read that comes before the restored point. Without the pod of the point, all pods are
// newer than it.
func (f *Follower) skipRead(pods []*corev1.Pod) {
	point := f.restored
	f.restored = nil
	var before []source
	for _, pod := range pods {
		for _, name := range f.containers(pod) {
			from := source{pod.UID, name}
			if pod.UID == point.Pod && name == point.Container {
				f.finished = append(f.finished, before...)
				f.reading, f.podName, f.instance, f.headed = from, pod.Name, point.Instance, point.Headed
				f.position = point.position
				return
			}
			before = append(before, from)
		}
	}
	if len(pods) > 0 && !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.UID == point.Pod }) {
		f.note("the rest of the output of pod %s is missing: the pod was deleted before it was read", point.PodName)
		f.reading.pod = point.Pod
	}
}
