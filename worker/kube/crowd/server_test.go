package crowd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
)

// server answers like an API server that has so many running Jobs with a pod each, whose logs have one line and go on,
// and so many finalized Jobs within their TTL, of which only the pods match the selectors of a worker.
type server struct {
	*httptest.Server
	example  example
	running  []job.Ref
	finished []job.Ref
	streams  atomic.Int64 // logs that are followed
}

// example is a Job and its pod as a real cluster has them, as JSON.
type example struct {
	job *batchv1.Job
	pod *corev1.Pod
}

// newServer starts a server that speaks HTTP/2 over TLS.
func newServer(e example, running, finished []job.Ref) *server {
	s := &server{example: e, running: running, finished: finished}
	s.Server = httptest.NewUnstartedServer(s)
	s.EnableHTTP2 = true
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 250} // as an API server
	s.StartTLS()
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; {
	case resource == "log":
		s.follow(w, r)
	case !r.URL.Query().Has("watch"):
		fmt.Fprint(w, `{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case resource == "jobs":
		events := newEvents(w, s.example.job.TypeMeta)
		for _, ref := range s.running {
			events.add(s.job(ref))
		}
		events.hold(r.Context())
	case resource == "pods":
		events := newEvents(w, s.example.pod.TypeMeta)
		for _, ref := range s.running {
			events.add(s.pod(ref, corev1.PodRunning))
		}
		for _, ref := range s.finished {
			events.add(s.pod(ref, corev1.PodSucceeded))
		}
		events.hold(r.Context())
	default:
		http.NotFound(w, r)
	}
}

// follow is the log of a running container.
func (s *server) follow(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "2026-01-01T00:00:00.000000001Z loading the orders of the day, 20,000 of them")
	w.(http.Flusher).Flush()
	s.streams.Add(1)
	defer s.streams.Add(-1)
	<-r.Context().Done()
}

func uidOf(ref job.Ref) types.UID { return types.UID(ref.RunID.String()) }

func (s *server) job(ref job.Ref) *batchv1.Job {
	j := s.example.job.DeepCopy()
	relabel(&j.ObjectMeta, ref, uidOf(ref))
	j.Status = batchv1.JobStatus{Active: 1, StartTime: &j.CreationTimestamp}
	return j
}

func (s *server) pod(ref job.Ref, phase corev1.PodPhase) *corev1.Pod {
	pod := s.example.pod.DeepCopy()
	relabel(&pod.ObjectMeta, ref, "pod-of-"+uidOf(ref))
	pod.Labels[batchv1.ControllerUidLabel] = string(uidOf(ref))
	pod.Status.Phase = phase
	if phase == corev1.PodRunning {
		for i := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[i].State = corev1.ContainerState{
				Running: &corev1.ContainerStateRunning{StartedAt: pod.CreationTimestamp},
			}
		}
	}
	return pod
}

func relabel(meta *metav1.ObjectMeta, ref job.Ref, uid types.UID) {
	meta.Namespace, meta.Name, meta.UID, meta.ResourceVersion = namespace, nameOf(ref), uid, "1"
	for key, value := range labelsOf(ref) {
		meta.Labels[key] = value
	}
}

// events writes a watch that begins with a list.
type events struct {
	w       http.ResponseWriter
	encoder *json.Encoder
	kind    metav1.TypeMeta
}

func newEvents(w http.ResponseWriter, kind metav1.TypeMeta) *events {
	return &events{w, json.NewEncoder(w), kind}
}

func (e *events) add(object runtime.Object) {
	_ = e.encoder.Encode(metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Object: object}}) // the client may be gone
}

// hold ends the list, and keeps the watch open.
func (e *events) hold(ctx context.Context) {
	end := map[string]any{"kind": e.kind.Kind, "apiVersion": e.kind.APIVersion, "metadata": map[string]any{
		"resourceVersion": "1", "annotations": map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}}
	_ = e.encoder.Encode(map[string]any{"type": "BOOKMARK", "object": end})
	e.w.(http.Flusher).Flush()
	<-ctx.Done()
}
