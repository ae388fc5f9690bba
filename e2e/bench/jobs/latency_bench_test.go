package jobs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

const (
	starts = 200 // one after another
	ends   = 30
)

// BenchmarkPodExists measures from the call that makes a run, or a bare Job, until its pod is there.
func BenchmarkPodExists(b *testing.B) {
	b.Run("run", func(b *testing.B) {
		in := install(b, nowhere)
		in.work()
		pods := watchPods(b, in.cluster, in.namespace)
		var took []time.Duration
		for b.Loop() {
			for range starts {
				start := time.Now()
				run := in.run()
				took = append(took, firstPod(pods, manifest.LabelRunID, run.ID.String(), nil).Sub(start))
			}
			in.end() // not before: the bare Jobs stay as well
		}
		report(b, took)
	})
	b.Run("limit", func(b *testing.B) {
		config := kubetest.Cluster(b)
		config.REST.QPS = -1
		client, namespace := kubetest.Client(b, config), kubetest.Namespace(b, config)
		pods := watchPods(b, client, namespace)
		var took []time.Duration
		n := 0
		for b.Loop() {
			for range starts {
				n++
				name := fmt.Sprintf("bare-%d", n)
				start := time.Now()
				if err := createBare(b.Context(), client, minimal(name, namespace, false)); err != nil {
					b.Fatal(err)
				}
				took = append(took, firstPod(pods, "batch.kubernetes.io/job-name", name, nil).Sub(start))
			}
		}
		report(b, took)
	})
}

// BenchmarkRecorded measures from when the watch says that a pod, or its Job, is done until the run's end is
// recorded.
func BenchmarkRecorded(b *testing.B) {
	in := install(
		b,
		`{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"job","image":"`+kubetest.Image+`","imagePullPolicy":"IfNotPresent","command":["true"]}]}}}}`,
	)
	in.work()
	pods := watchPods(b, in.cluster, in.namespace)
	var took []time.Duration
	for b.Loop() {
		for range ends {
			run := in.run()
			done := firstPod(pods, manifest.LabelRunID, run.ID.String(),
				func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
			took = append(took, max(0, in.recorded(run).Sub(done)))
		}
	}
	report(b, took)
}

func (in *installation) run() *api.Run {
	in.b.Helper()
	made, err := in.client.CreateRunWithResponse(in.b.Context(), poolName, nil, api.RunCreate{})
	in.is(201, made, err)
	return made.JSON201
}

// recorded waits for the run's end and says when it was recorded.
func (in *installation) recorded(run *api.Run) time.Time {
	in.b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		got, err := in.client.GetRunWithResponse(in.b.Context(), run.ID)
		in.is(200, got, err)
		if state := got.JSON200.Run.State; state.Type == api.COMPLETED {
			return state.At
		}
	}
	in.b.Fatalf("run %s has not ended", run.ID)
	return time.Time{}
}

func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "p50-sec/op")
	b.ReportMetric(took[len(took)*99/100].Seconds(), "p99-sec/op")
	b.ReportMetric(0, "ns/op")
}

// firstPod is when a pod with a label was first seen to be so.
func firstPod(pods *sights[*corev1.Pod], label, value string, so func(*corev1.Pod) bool) time.Time {
	pods.b.Helper()
	return pods.until("a pod with "+label+"="+value, func(s sight[*corev1.Pod]) bool {
		return s.kind != watch.Deleted && s.object.Labels[label] == value && (so == nil || so(s.object))
	})
}
